import TaskEngine
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import VerbatimJSON

/// After the faults, everything must end.
extension SimulationDriver {
    /// The longest that an event may have to wait for its next try after the faults: a day and a fifth, and some.
    private static let deliverySpan: Int64 = 110_000_000
    /// How long a lost submission stays open before a user gives it up.
    static let giveUpAfter: Int64 = 400_000

    /// The next action after the faults: nil to continue, `.some(nil)` at the end.
    func nextAction() throws -> Action?? {
        guard daemon != nil else { return nil }
        // Hurried histories poll ten times as often, a sweep takes many small steps, and leases are renewed.
        let isLong = world.isHurried || !world.retention.isOff || world.notifies
        if steps > (isLong ? 40_000 : 20_000) * (shared == nil ? 1 : 3)
            || world.clock.steady - (faultsEndedAt ?? 0) > 2 * 86_400_000
        {
            let open = audit.tasks.filter { !$0.hasEnded }.map {
                "\($0.id) \($0.endpoint) \($0.state) \($0.onUncertain), due at \($0.nextDueAt.map { String(world.clock.steady(at: Timestamp(milliseconds: $0))) } ?? "never")"
            }
            throw Violation(
                .everythingEnds,
                "at \(world.clock.steady) ms after \(steps) steps: still open: \(open.joined(separator: ", "))")
        }
        // Waits until no earlier pause, or action that may pause, is still in progress.
        let isQuiet = !world.scheduler.waiting.contains {
            $0.taskName.hasPrefix("person") || $0.taskName.hasPrefix("submit")
        }
        if isQuiet, let budget = limitsToReset.popLast() { return .setLimit(budget, nil) }
        if isQuiet, let endpoint = toResume.popLast() { return .resume(endpoint) }
        if let action = submission() { return action }
        if let attempt = clients.passedTry(random: world.passRandom) { return .pass(attempt) }
        let ended = Set(audit.tasks.filter(\.hasEnded).map(\.id))
        if let call = clients.agent?.nextCall(random: world.agentRandom, hasEnded: { ended.contains($0.text) }) {
            return .call(call)
        }
        guard try hasDrained() else { return nil }
        let open = audit.tasks.filter { !$0.hasEnded }
        guard world.scheduler.waiting.isEmpty, !loops.contains(where: \.isClaiming),
            !clients.intents.contains(where: { $0.asking > 0 }), !clients.passed.contains(where: \.isAsking),
            clients.agent?.call == nil
        else { return nil }
        if open.isEmpty {
            // Given-up attempts are read again after five minutes.
            guard audit.awaitsFirstReading else {
                try audit.checkLateRecords()
                if let words = audit.undelivered {
                    if world.clock.steady - (faultsEndedAt ?? 0) > Self.deliverySpan + Int64(60 - fetchesLeft) * 60_000
                    {
                        throw Violation(.eventIsDelivered, words)
                    }
                    return nil
                }
                if let unsettled = try audit.tasksWithoutFiles.first {
                    guard fetchesLeft > 0 else {
                        throw Violation(
                            .filesArrive, "\(unsettled) has a result whose file is neither saved nor given up")
                    }
                    fetchesLeft -= 1
                    advance(60_000)
                    return nil
                }
                if let action = try lastFileOrStreamAction() { return action }
                if world.reconciles, !hasReconciled {
                    hasReconciled = true
                    // Every record is listed by then.
                    advance(Int(ProviderTruth.listedWithin.wholeMilliseconds))
                    return .reconcile(adopts: world.reconcileRandom.happens(500))
                }
                // It may begin a task, whose reply can be lost minutes later.
                quietSince = world.clock.steady
                return lastRetentionAction()
            }
            return nil
        }
        guard world.clock.steady - quietSince >= Self.giveUpAfter, open.allSatisfy(needsUser) else { return nil }
        for row in open { try checkFindable(row) }
        // A decision about one task may help the others, which are looked up again first.
        quietSince = world.clock.steady
        return open.first.map { .resolve($0.id, .giveUp) }
    }

    /// Waits until no file of a long value is left that no record has, and until the follower has all lines; nil if so.
    private func lastFileOrStreamAction() throws -> Action??? {
        if let unused = try audit.unusedParts.first {
            guard removalsLeft > 0 else { throw Violation(.partsLeave, "no record has \(unused), which is on disk") }
            removalsLeft -= 1
            advance(600_000)
            return .some(nil)
        }
        if let follower = world.follower, let missing = audit.unfollowed {
            guard readsLeft > 0 else { throw Violation(.streamIsWhole, "line \(missing) never came") }
            readsLeft -= 1
            return .some(.some(.follow(follower)))
        }
        return nil
    }

    /// Whether no account is dead, or the others have sent the queue. The dead account then works again.
    private func hasDrained() throws -> Bool {
        guard !world.accounts.dead.isEmpty else { return true }
        let queued = audit.tasks.filter { row in
            // A client id waits for the account that sent it.
            let isBound = row.service == "mine" && row.attempts > 0
            return (row.state == "queued" || row.state == "submitting")
                && !(isBound && world.accounts.isDead(AccountName(stored: row.account)))
        }
        guard queued.isEmpty else {
            // A task that was stored by a wrong clock may be due hours later.
            guard world.clock.steady - (faultsEndedAt ?? 0) < Self.drainsWithin || world.clock.jumps > 0 else {
                throw Violation(
                    .queueDrains, "\(queued.map(\.id)) wait, and only \(world.accounts.dead.map(\.text)) does not work")
            }
            return false
        }
        world.trace.note("the dead account works again")
        world.accounts.revive()
        toResume.append(ProviderWords.endpoints[0])
        healedAt = world.clock.steady
        quietSince = world.clock.steady
        return false
    }

    /// The longest time that the working accounts need for the queue of a history.
    private static let drainsWithin: Int64 = 1_200_000

    /// Whether only a user can resolve the task, and its failure says so.
    private func needsUser(_ row: DiskView.TaskLine) -> Bool {
        guard row.state == "uncertain", row.failureCode != nil else { return false }
        // An attempt during a wrong clock is searched around that time, and its absence proves nothing.
        let isOutOfTime = world.clock.jumps > 0
        // After a callback without an id, no look-up can help and no policy may resubmit it.
        return row.callbacks > 0 || row.onUncertain == "hold" || ProviderWords.unlisted.contains(row.service)
            || hasCompetitor(row) || isOutOfTime || mayLackControl(row) || hasPossibleRecord(row)
    }

    /// Whether the list may show a record without an owner that could be this task's.
    private func hasPossibleRecord(_ row: DiskView.TaskLine) -> Bool {
        let owned = audit.ownedBySubmission
        return world.truth.records.contains { $0.service == row.service && !owned.contains($0.id) }
    }

    /// Whether the list may lack a control task for that endpoint. Its absences then prove nothing.
    private func mayLackControl(_ row: DiskView.TaskLine) -> Bool {
        // An attempt needs a control that was sent to the same base URL.
        if world.wasMoved { return true }
        guard world.habit.isFaithful else { return true }
        if world.habit == .hidesEdits, row.endpoint == "image/edit" { return true }
        return !audit.hasControl(for: row, at: world.clock.providerNow)
    }

    /// Whether a lost or given-up attempt of another endpoint could own the same record, which no list can decide.
    private func hasCompetitor(_ row: DiskView.TaskLine) -> Bool {
        let givenUp = Set(audit.givenUp.filter { $0.remoteID == nil }.map(\.task))
        return audit.tasks.contains {
            $0.service == row.service && $0.endpoint != row.endpoint
                && ($0.state == "uncertain" || givenUp.contains($0.id))
        }
    }

    /// Checks that a listed record of this task alone has been found. Resubmitted tasks are exempt, because only
    /// their latest attempt is searched.
    private func checkFindable(_ row: DiskView.TaskLine) throws {
        guard world.clock.jumps == 0, !mayLackControl(row), row.callbacks == 0,
            !ProviderWords.unlisted.contains(row.service), !audit.wasResubmitted(row.id)
        else { return }
        let owned = Set(audit.tasks.filter { $0.service == row.service }.compactMap(\.remoteID))
        let now = world.clock.providerNow
        let its = world.truth.records.first {
            // Look-ups are at most a minute apart.
            $0.sender?.text == row.id && !owned.contains($0.id) && $0.isListed(at: now)
                && $0.listedFrom + .seconds(70) <= now
        }
        if let its, !hasCompetitor(row) {
            throw Violation(.lostIsFound, "\(row.id) has the record \(its.id), which was not found")
        }
    }
}
