import TaskEngine
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import VerbatimJSON

extension SimulationDriver {
    /// Injects faults and client actions at random. Returns true if the daemon is killed.
    func injectFaults(_ group: inout DiscardingTaskGroup) async throws -> Bool {
        let (random, faults) = (world.random, world.faults)
        if random.happens(faults.crashes) {
            world.trace.note("kill -9")
            return true
        }
        if random.happens(faults.jumps) {
            // Small steps are those of a time server. A large step may be an error that is corrected soon.
            let size = random.happens(500) ? random.integer(in: 10...20_000) : random.integer(in: 1...7)
            let span = size * (random.happens(500) ? 1 : -1)
            let pause = random.happens(500) ? random.integer(in: 1_000...50_000) : nil
            world.trace.note("the clock is set by \(span) s\(pause.map { ", and back after \($0) ms" } ?? "")")
            world.isClockSet = true
            world.clock.jump(by: .seconds(span), andBackAfter: pause)
        }
        if world.isDiskFull ? random.happens(150) : random.happens(faults.fullDisk) {
            world.isDiskFull.toggle()
            world.trace.note(world.isDiskFull ? "the disk is full" : "the disk has room again")
        }
        if random.happens(faults.forgetting), let record = random.pick(world.truth.records),
            !world.callbackDriver.contradicts(record.id)
        {
            world.trace.note("the provider forgets \(record.id)")
            world.truth.forget(record.id)
        }
        if random.happens(120), let action = randomAction() { await act(action, &group) }
        if world.copiesFile, let digest = world.pick(try audit.savedFiles) { await act(.copyFile(digest), &group) }
        if random.happens(60), daemon != nil, let late = world.truth.takeLate() { await act(.bringReply(late), &group) }
        if !clients.passed.isEmpty, daemon != nil {
            if world.passRandom.happens(150), let attempt = clients.passedTry(random: world.passRandom) {
                await act(.pass(attempt), &group)
            }
            if world.passRandom.happens(60) { await act(.recordFates, &group) }
        }
        if world.reconciles, daemon != nil, !isReconciling, world.reconcileRandom.happens(60) {
            await act(.reconcile(adopts: world.reconcileRandom.happens(600)), &group)
        }
        if clients.agent != nil, daemon != nil, world.agentRandom.happens(150),
            let call = clients.agent?.nextCall(random: world.agentRandom)
        {
            await act(.call(call), &group)
        }
        if let follower = world.follower, daemon != nil, !isFollowing, follower.wantsToRead {
            await act(.follow(follower), &group)
        }
        if random.happens(faults.foreignTasks), let intent = random.pick(clients.intents) {
            // The additional member distinguishes it from the clients' requests.
            var body = intent.submission.request
            body["mode"] = "turbo"
            world.truth.accept(
                .init(
                    sender: nil, path: "/\(intent.submission.endpoint)", body: body, account: world.accounts.any()))
        }
        if random.happens(20), !loops.isEmpty { await claim(random.integer(in: 0...loops.count - 1), &group) }
        if random.happens(faults.rivals), mutant?.needsRivals ?? true { try await meetRival() }
        // A copy lacks the reservations of what it repeats.
        if random.happens(faults.copies), mutant?.needsCopies ?? true, !world.money.isOn {
            world.trace.note("a person copies the database")
            copy = try disk.copy(sent: world.truth.sent.count, billed: world.truth.records.count)
        }
        let movesOften = mutant?.movesOften ?? false
        if movesOften ? world.reloadRandom.happens(300) : world.isReloaded, let daemon {
            let (words, catalog) =
                switch world.reloadRandom.integer(in: 0...(movesOften ? 1 : 3)) {
                case 0: ("", world.catalog)
                case 1: (" with the provider at another base URL", world.movedCatalog)
                default: (" without song", world.partialCatalog)
                }
            world.trace.note("the settings are reloaded\(words)")
            if words.hasPrefix(" with the") { world.wasMoved = true }
            try await daemon.reload(catalog)
        }
        if let daemon,
            let decision = world.money.decision(queued: audit.tasks.filter { $0.state == "queued" }.map(\.id))
        {
            switch decision {
            case .action(let action): await act(action, &group)
            case .reload:
                world.trace.note("the budgets are reloaded")
                try await daemon.reloadBudgets()
            }
        }
        if random.happens(30) { advance(random.integer(in: 1...5_000)) }
        if world.beginTroubles(at: steps) { try await daemon?.reload(world.catalog) }
        return false
    }

    /// Whether a person waits for a comparison.
    private var isReconciling: Bool {
        world.scheduler.waiting.contains { $0.taskName.hasPrefix(Action.reconciling) }
    }

    /// Runs a second daemon on the same database. It takes over the lease, ends and frees it, or only starts beside
    /// ours.
    private func meetRival() async throws {
        // Until our daemon has started, it ends all leases.
        guard daemon != nil, let store else { return }
        let driver: any StoreDriver = mutant?.rival.map { BrokenDriver(fault: $0, base: store) } ?? store
        let rival = TaskStore(driver, holder: LeaseHolder(name: "rival", token: LeaseToken(UInt128(world.seed) << 64)))
        guard !audit.rivalHoldsLease else { return try await endRival() }
        try check()
        guard !audit.hasUnsentAttempt else { return }
        let sending = audit.tasks.filter { $0.state == "submitting" }
        let takesOver = world.random.happens(500)
        if takesOver {
            world.trace.note("a second daemon takes over the lease")
            try await rival.endOtherLeases(at: world.clock.now())
            _ = try await rival.acquire(
                world.accounts.names.map {
                    LeaseName(ProviderAccount(provider: ProviderWords.provider, account: $0))
                }, at: world.clock.now())
        }
        let now = world.clock.now()
        _ = try await rival.endLostSubmissions(at: now) { task in
            let failure = TaskFailure(code: TaskFailure.daemonStopped, message: "The daemon stopped.")
            return ScheduledEvent(
                .submissionInterrupted(failure, isProbablyRefused: false), for: task.id, nextDueAt: now)
        }
        audit.rivalHoldsLease = takesOver
        try check()
        if !takesOver { try audit.checkLiving(sending) }
    }

    /// Ends the second daemon and its lease.
    private func endRival() async throws {
        guard audit.rivalHoldsLease, let store else { return }
        world.trace.note("the second daemon ends")
        try await TaskStore(store, holder: .thisProcess).endOtherLeases(at: world.clock.now())
        audit.rivalHoldsLease = false
    }

    /// Ends all faults.
    func endFaults() async throws {
        try await endRival()
        world.endFaults()
        try await daemon?.reload(world.catalog)
        if world.money.isOn {
            world.money.raise(at: world.clock.steady)
            limitsToReset = world.money.budgets.map(\.name)
            try await daemon?.reloadBudgets()
        }
        faultsEndedAt = world.clock.steady
        healedAt = world.accounts.dead.isEmpty ? world.clock.steady : nil
        quietSince = world.clock.steady
        // Any endpoint resumes the whole account.
        let stopped = world.truth.hasStopped ? ProviderWords.endpoints.prefix(1) : []
        toResume = clients.paused.union(stopped).sorted()
    }

    /// A random action of a client.
    private func randomAction() -> Action? {
        let random = world.random
        if !world.retention.isOff, random.happens(200) { return retentionAction() }
        if random.happens(mutant?.peopleTrack ?? false ? 300 : 550) { return submission() }
        let uncertain = audit.tasks.filter { $0.state == "uncertain" }
        if mutant?.recordsAreLate ?? false, random.happens(200), let row = random.pick(uncertain) {
            return .resolve(row.id, .giveUp)
        }
        if random.happens(mutant?.peopleTrack ?? false ? 900 : 300), let row = random.pick(uncertain) {
            // Tracking its id instead of adopting it is an easy mistake.
            if let its = lostRecord(of: row), mutant?.peopleTrack ?? false || random.happens(300) {
                return .track(row.endpoint, remoteID: its.id, account: its.account)
            }
            return .resolve(row.id, decision(about: row))
        }
        switch random.integer(in: 0...6) {
        case 0: return random.pick(audit.tasks).map { .cancel($0.id) }
        case 1: return random.pick(audit.tasks.filter(\.hasEnded)).map { .reopen($0.id) }
        case 2: return random.pick(audit.tasks).map { .resolve($0.id, decision(about: $0)) }
        case 3:
            // Another program's task, or an own lost one whose id a user saw at the provider.
            let owned = audit.ownedBySubmission.subtracting(audit.gone.values)
            let known = world.truth.records.filter {
                $0.isKnown(at: world.clock.providerNow) && ($0.sender == nil || !owned.contains($0.id))
            }
            return random.pick(known).map {
                .track("\($0.service)/\($0.operation)", remoteID: $0.id, account: $0.account)
            }
        case 4:
            // If keys are removed, another body may be accepted by the time it arrives.
            guard world.retention.idempotencyKeys == nil,
                var misuse = random.pick(clients.intents.filter { $0.key != nil && $0.answered != nil })?.submission
            else { return nil }
            misuse.request["prompt"] = "something else"
            return .misuseKey(misuse)
        case 5: return random.happens(300) ? random.pick(ProviderWords.endpoints).map { .pause($0) } : nil
        default: return random.pick(ProviderWords.endpoints).map { .resume($0) }
        }
    }

    /// Repeats an old key, pins, deletes or prunes.
    private func retentionAction() -> Action? {
        let random = world.random
        switch random.integer(in: 0...3) {
        case 0: return random.pick(clients.intents.compactMap(\.repetition))
        case 1: return random.pick(audit.tasks).map { .pin($0.id, random.happens(600)) }
        case 2: return random.pick(audit.tasks).map { .delete($0.id) }
        default: return .prune
        }
    }

    /// The last actions of the retention after everything has ended: some sweeps, then each key once more.
    func lastRetentionAction() -> Action?? {
        guard !world.retention.isOff else { return .some(nil) }
        if sweepsLeft > 0 {
            sweepsLeft -= 1
            advance(world.retention.stubs == nil ? 10_000 : 40_000)
            return nil
        }
        guard let intent = clients.intents.first(where: { $0.repetition != nil && !repeated.contains($0.number) })
        else { return .some(nil) }
        repeated.insert(intent.number)
        return intent.repetition.map { .some($0) }
    }

    /// The next submission that a client has not completed.
    func submission() -> Action? {
        world.random.pick(clients.intents.filter(\.wantsToAsk)).map { .submit($0.number, $0.submission) }
    }

    /// The decision of a user who looks at the provider's website.
    private func decision(about row: DiskView.TaskLine) -> UncertainResolution {
        if let its = lostRecord(of: row), world.random.happens(700) {
            return .adopt(remoteID: its.id, account: its.account.text)
        }
        return world.random.happens(500) ? .resubmit : .giveUp
    }

    /// The provider's record of a lost task, if no task has it.
    func lostRecord(of row: DiskView.TaskLine) -> ProviderTruth.Record? {
        let owned = Set(audit.tasks.compactMap(\.remoteID))
        return world.truth.records.first { $0.sender?.text == row.id && !owned.contains($0.id) }
    }

    // MARK: Steps

    /// Resumes a task, claims work or delivers a callback at random. If nothing is ready, advances the time.
    func step(_ group: inout DiscardingTaskGroup) async throws {
        let (steady, wall) = (world.clock.steady, world.clock.now())
        let waiting = world.scheduler.waiting
        let ready = waiting.filter { parkedTask in
            guard let notBefore = parkedTask.notBefore else { return true }
            return notBefore <= steady || parkedTask.wall.map { $0 <= wall } ?? false
        }
        let due = loops.indices.filter { index in
            let loop = loops[index]
            guard !loop.isClaiming, hasWork(index) else { return false }
            let isSignalled = !loop.isDeaf && mutant?.hearsNoHints != true && daemon?.loops[index].isSignalled ?? false
            return isSignalled || loop.due.steady <= steady || loop.due.wall <= wall
        }
        let deliveries = world.callbackDriver.due
        let choices = ready.count + due.count + deliveries.count
        guard choices > 0 else { return try advance(until: waiting) }
        let choice = world.random.integer(in: 0...choices - 1)
        if choice < ready.count {
            await world.scheduler.resume(ready[choice])
        } else if choice < ready.count + due.count {
            await claim(due[choice - ready.count], &group)
        } else {
            await deliver(deliveries[choice - ready.count - due.count], &group)
        }
    }

    func advance(_ milliseconds: Int) {
        world.clock.advance(toSteady: world.clock.steady + Int64(milliseconds))
    }

    /// Advances the time to the next event.
    ///
    /// Loops run at least once a minute. Without a due row their runs have no effect and are skipped.
    func advance(until waiting: [StepScheduler.ParkedTask]) throws {
        let clock = world.clock
        var next = waiting.compactMap(\.notBefore)
        let times = audit.tasks.filter { !$0.hasEnded }.flatMap { [$0.nextDueAt, $0.deadline] }
        let rows = (times + audit.givenUp.map(\.nextReadingAt)).compactMap { $0 }
            .map { clock.steady(at: Timestamp(milliseconds: $0)) }
        let resting = loops.indices.filter { !loops[$0].isClaiming && hasWork($0) }
        let loop = resting.map { loops[$0].due.steady }.min()
        if let loop, let row = rows.min() { next.append(rows.contains { $0 <= clock.steady } ? loop : max(loop, row)) }
        if let call = world.callbackDriver.nextDue { next.append(call) }
        next += resting.filter(runsRegularly).map { loops[$0].due.steady }
        if faultsEndedAt != nil, next.isEmpty { next.append(quietSince + Self.giveUpAfter) }
        let target = max(next.min() ?? clock.steady + 1_000, clock.steady + 1)
        try checkPunctuality(at: target)
        clock.advance(toSteady: target)
        // Rows may be due long after the loops' next runs.
        for index in loops.indices where loops[index].due.steady < target { loops[index].due.steady = target }
    }

    /// Whether a run of the loop may have an effect without a due row.
    private func runsRegularly(_ index: Int) -> Bool {
        switch daemon?.loops[index].name {
        case "notifier": audit.undelivered != nil
        case "renewal", "follower": true
        default: false
        }
    }

    /// Looks of a follower at an unchanged log change nothing, and are skipped.
    private func hasWork(_ index: Int) -> Bool {
        daemon?.loops[index].name != "follower" || followed != shared?.truth.commits
    }

    /// The maximum delay of a poll without faults. Shorter than a minute, when loops run anyway, so that lost hints
    /// show. Longer than a task can wait for the common query of its service.
    private static let maxPollDelay: Int64 = 40_000
    /// The time until all circuit breakers that opened during the faults are closed again.
    private static let breakerRecovery: Int64 = 70_000

    /// Checks that no running task is overdue when the time advances.
    private func checkPunctuality(at time: Int64) throws {
        guard let healedAt, world.clock.steady - healedAt > Self.breakerRecovery else { return }
        for row in audit.tasks where row.state == "running" {
            guard let due = row.nextDueAt.map({ world.clock.steady(at: Timestamp(milliseconds: $0)) }),
                time - due > Self.maxPollDelay
            else { continue }
            throw Violation(.askedInTime, "\(row.id) was due at \(due) ms and is not polled before \(time) ms")
        }
    }
}
