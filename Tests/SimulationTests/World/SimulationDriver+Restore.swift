import TaskEngine
import TaskModel
import VerbatimJSON

/// A restored copy of the database and its witness.
struct Restore {
    /// The tasks whose requests were sent after the copy was made.
    let paidSince: Set<String>
    /// The number of paid requests before it was restored.
    let sentBefore: Int
    let startedAt: Int64
    /// The number of paid requests when a person accepted it; nil before.
    var acceptedAt: Int?
    /// What to check if nothing shows that it is a copy; nil otherwise.
    var overwritten: Overwritten?
    /// The queued tasks of the copy, if its acceptance must be checked.
    var queued: Overwritten?
    /// Those of the queued tasks whose records were clearly listed when a person accepted it.
    var plain: [String: Set<String>] = [:]

    /// The queued tasks of a copy that has no sign of being one.
    struct Overwritten {
        /// The tasks that had never been accepted, by endpoint and request.
        let tasks: [String: Set<String>]
        /// The provider's records when the copy was made.
        let billedBefore: Int
        /// The endpoints and requests of which a record was not listed at the start.
        let hidden: Set<String>
    }
}

extension SimulationDriver {
    /// How long a person waits before accepting a restored database.
    private static let patience: Int64 = 400_000
    private static let longest: Int64 = 2_000_000

    /// Restores the copy. `copied` is the number of requests that were sent when it was made.
    func putBack(_ copy: Disk.Copy) throws {
        world.trace.note("the copy is put back")
        let canOverwrite = copy.canOverwrite && world.truth.nextArrival == nil && world.clock.jumps == 0
        let ways = Disk.PutBack.allCases.filter { $0 != .inPlace || canOverwrite }
        let how = world.random.pick(ways) ?? .besideWitness
        world.trace.note("it is put back: \(how)")
        try disk.putBack(copy, how)
        world.endFaults()
        world.accounts.revive()
        faultsEndedAt = world.clock.steady
        quietSince = world.clock.steady
        let sent = world.truth.sent
        restore = Restore(
            paidSince: Set(sent[copy.sent...].compactMap { $0.sender?.text }), sentBefore: sent.count,
            startedAt: world.clock.steady)
        try audit.begin(incarnation: 0, view: disk.view())
        try audit.refresh()
        let queued = audit.tasks.filter { $0.state == "queued" && $0.attempts == 0 }
        let now = world.clock.providerNow
        let (before, since) = (world.truth.records[..<copy.billed], world.truth.records[copy.billed...])
        func senders(_ records: ArraySlice<ProviderTruth.Record>) -> [DiskView.TaskLine] {
            records.filter { !$0.isListed(at: now) }.compactMap { record in
                audit.tasks.first { $0.id == record.sender?.text }
            }
        }
        // A lost submission whose own record is not listed explains another one that is like its request.
        let blurred = Set(senders(before).map(\.endpoint))
        let overwritten = Restore.Overwritten(
            tasks: Dictionary(grouping: queued.filter { !blurred.contains($0.endpoint) }, by: key)
                .mapValues { Set($0.map(\.id)) },
            billedBefore: copy.billed, hidden: Set(senders(since).map(key)))
        if how == .inPlace {
            restore?.overwritten = overwritten
        } else {
            restore?.queued = overwritten
            if world.accounts.areUnreadableInCopies { world.accounts.hideLists() }
        }
    }

    /// The endpoint and the request of a task.
    private func key(of row: DiskView.TaskLine) -> String {
        let request = clients.request(of: row)
        return "\(row.endpoint) \(request.map { JSONValue.object($0).text } ?? "")"
    }

    /// Checks that equal requests queued in a copy were not paid more often than there are tasks. The assignment of
    /// records to tasks does not matter.
    private func checkOverwritten(_ overwritten: Restore.Overwritten) throws {
        // Only the list can show which tasks were sent.
        guard world.habit != .hidesEdits, !world.wasMoved else { return }
        for (key, tasks) in overwritten.tasks where !overwritten.hidden.contains(key) {
            guard !ProviderWords.unlisted.contains(where: { key.hasPrefix($0 + "/") }) else { continue }
            let billed = world.truth.records[overwritten.billedBefore...].filter { record in
                record.sender.map { tasks.contains($0.text) } ?? false
            }
            guard billed.count <= tasks.count else {
                throw Violation(
                    .copySendsNothing, "\(billed.map(\.id)) were billed for \(tasks.count) task(s) of \(key)")
            }
        }
    }

    /// The queued tasks, by endpoint and request, whose records a list clearly shows when a person accepts the copy: no
    /// other task could have them. None of them is sent again.
    private func plain(_ queued: Restore.Overwritten) -> [String: Set<String>] {
        guard world.habit == .verbatim, !world.usesCallbacks, !world.wasMoved, world.clock.jumps == 0,
            world.truth.nextArrival == nil
        else { return [:] }
        let now = world.clock.providerNow
        return queued.tasks.filter { key, ids in
            guard let row = audit.tasks.first(where: { ids.contains($0.id) }), row.service != "mine",
                !ProviderWords.unlisted.contains(row.service),
                // The record of an accepted task of the same account shows the provider's defaults.
                world.truth.records.filter({ $0.sender.map { ids.contains($0.text) } ?? false }).allSatisfy({ record in
                    audit.tasks.contains {
                        $0.endpoint == row.endpoint && $0.state == "succeeded" && $0.attempts > 0
                            && $0.removedParts == 0 && AccountName(stored: $0.account) == record.account
                            && [nil, "called_back", "resubmitted", "resubmitted_by_policy"].contains($0.resolution)
                    }
                })
            else { return false }
            let isAlone = audit.tasks.allSatisfy { other in
                other.service != row.service || ids.contains(other.id)
                    || other.endpoint == row.endpoint && self.key(of: other) != key
            }
            return isAlone
                && world.truth.records.allSatisfy { record in
                    !(record.sender.map { ids.contains($0.text) } ?? false)
                        || record.isListed(at: now) && record.isKnown(at: now)
                }
        }
    }

    /// Checks that equal requests with clearly listed records were not paid for more often than there are tasks.
    private func checkAccepted(_ restore: Restore) throws {
        // The list of another base URL may lack them.
        guard !world.wasMoved else { return }
        for (key, tasks) in restore.plain {
            let billed = world.truth.records[(restore.queued?.billedBefore ?? 0)...].filter { record in
                record.sender.map { tasks.contains($0.text) } ?? false
            }
            guard billed.count <= tasks.count else {
                throw Violation(
                    .copySendsNothing,
                    "\(billed.map(\.id)) were billed for \(tasks.count) task(s) of \(key), though the lists showed them"
                )
            }
        }
    }

    /// Checks that the restored database paid nothing twice.
    func checkRestore() throws {
        guard let restore else { return }
        if let overwritten = restore.overwritten { return try checkOverwritten(overwritten) }
        let sent = world.truth.sent
        for request in sent[restore.sentBefore..<(restore.acceptedAt ?? sent.count)] {
            guard let sender = request.sender?.text, restore.paidSince.contains(sender) else { continue }
            throw Violation(.copySendsNothing, "\(sender) was sent after the copy was made, and again from the copy")
        }
        guard let accepted = restore.acceptedAt else { return }
        try checkAccepted(restore)
        var counts: [String: Int] = [:]
        for case let sender? in sent[accepted...].map({ $0.sender?.text }) where restore.paidSince.contains(sender) {
            counts[sender, default: 0] += 1
            // A further request needs a proven rejection or a person's decision, which these histories do not have.
            let isListed = world.truth.records.contains {
                $0.sender?.text == sender && $0.listedFrom + .seconds(300) <= world.clock.providerNow
                    && !$0.isForgotten(at: world.clock.providerNow)
            }
            guard counts[sender] == 1 || !isListed || world.wasMoved else {
                throw Violation(.copySendsNothing, "\(sender) was sent twice after a person had accepted the copy")
            }
        }
    }

    /// Lets a person accept the copy after a while. Returns true at the end of the history.
    func decideAboutRestore(_ group: inout DiscardingTaskGroup) async -> Bool {
        guard let daemon, let restore else { return false }
        let now = world.clock.steady
        if now - quietSince >= Self.giveUpAfter { quietSince = now }
        let isIdle = world.scheduler.waiting.isEmpty && !loops.contains(where: \.isClaiming)
        let isOver = audit.tasks.allSatisfy { $0.hasEnded || $0.state == "uncertain" }
        if restore.overwritten != nil {
            return isIdle && isOver && now - restore.startedAt > Self.patience || now - restore.startedAt > Self.longest
        }
        if restore.acceptedAt == nil, now - restore.startedAt > Self.patience, isIdle {
            self.restore?.acceptedAt = world.truth.sent.count
            self.restore?.plain = restore.queued.map(plain) ?? [:]
            world.accounts.endTroubles()
            world.trace.note("a person accepts the copy")
            let restores = daemon.restores
            await world.scheduler.start("person accepts", in: &group) { _ = try? await restores.accept() }
            return false
        }
        return restore.acceptedAt != nil && isIdle && isOver && now - restore.startedAt > Self.patience * 2
            || now - restore.startedAt > Self.longest
    }
}
