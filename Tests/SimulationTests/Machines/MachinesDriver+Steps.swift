import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// The steps of a history, and its end.
extension MachinesDriver {
    enum Choice {
        case resume(StepScheduler.ParkedTask)
        case claim(Int, Int)
        case deliver(CallbackDriver.Delivery)
        /// The gateway of a machine stores what became of its replies, as it does as soon as it knows.
        case recordFates(Int)
    }

    func step() async throws {
        await startAndGoOn()
        let (steady, wall) = (world.clock.steady, world.clock.now())
        let stopped = Set(machines.filter(\.isStopped).map(\.life))
        let waiting = world.scheduler.waiting.filter { !stopped.contains($0.life) }
        var choices = waiting.filter { parked in
            guard let notBefore = parked.notBefore else { return true }
            return notBefore <= steady || parked.wall.map { $0 <= wall } ?? false
        }.map(Choice.resume)
        for index in machines.indices where machines[index].serves {
            for place in machines[index].loops.indices where isDue(place, of: machines[index]) {
                choices.append(.claim(place, index))
            }
        }
        choices += world.callbackDriver.due.map(Choice.deliver)
        for index in machines.indices where machines[index].serves && !machines[index].isRecording {
            if machines[index].daemon?.gateway.fates.unstored.isEmpty == false { choices.append(.recordFates(index)) }
        }
        guard let choice = world.random.pick(choices) else { return try advance(until: waiting) }
        switch choice {
        case .resume(let parked): await world.scheduler.resume(parked)
        case .claim(let place, let index): await claim(place, on: index)
        case .deliver(let delivery): await deliver(delivery)
        case .recordFates(let index):
            machines[index].isRecording = true
            await act(.recordFates, at: index)
        }
    }

    func startAndGoOn() async {
        let steady = world.clock.steady
        for index in machines.indices {
            if let time = machines[index].goesOnAt, time <= steady {
                world.trace.note("machine \(machines[index].number) goes on")
                machines[index].goesOnAt = nil
                machines[index].hasRunSince = machines[index].isUp ? steady : nil
            }
            if let time = machines[index].startsAt, time <= steady { await startDaemon(index) }
        }
    }

    func isDue(_ place: Int, of machine: Machine) -> Bool {
        let loop = machine.loops[place]
        guard !loop.isClaiming, hasWork(place, on: machine) else { return false }
        let isSignalled = !loop.isDeaf && machine.claims[place].isSignalled
        return isSignalled || loop.due.steady <= world.clock.steady || loop.due.wall <= world.clock.now()
    }

    /// Looks of a follower at an unchanged log change nothing, and are skipped.
    func hasWork(_ place: Int, on machine: Machine) -> Bool {
        machine.claims[place].name != "follower" || machine.followed != truth.commits
    }

    func claim(_ place: Int, on index: Int) async {
        let loop = machines[index].claims[place]
        machines[index].loops[place].isClaiming = true
        if loop.name == "follower" { machines[index].followed = truth.commits }
        let (inbox, life) = (inbox, machines[index].life)
        await start("claim \(loop.name)", on: index) {
            inbox.put(.claimed(place, await loop.claim(), life: life))
        }
    }

    /// Advances the time to the next event.
    func advance(until waiting: [StepScheduler.ParkedTask]) throws {
        var next = waiting.compactMap(\.notBefore)
        next += machines.compactMap(\.goesOnAt) + machines.compactMap(\.startsAt)
        for machine in machines where machine.serves {
            next += machine.loops.indices.filter { !machine.loops[$0].isClaiming && hasWork($0, on: machine) }
                .map { machine.loops[$0].due.steady }
        }
        if let call = world.callbackDriver.nextDue { next.append(call) }
        let target = max(next.min() ?? world.clock.steady + 1_000, world.clock.steady + 1)
        try checkTakeOver(at: target)
        world.clock.advance(toSteady: target)
    }

    // MARK: The end

    func endFaults() async throws {
        world.endFaults()
        world.accounts.revive()
        world.money.raise(at: world.clock.steady)
        limitsToReset = world.money.budgets.map(\.name)
        for daemon in machines.compactMap(\.daemon) { try await reload(daemon) }
        faultsEndedAt = world.clock.steady
        audit.healedAt = faultsEndedAt
        quietSince = world.clock.steady
        if !isCalm {
            for machine in machines where machine.isStopped { machine.goesOnAt = world.clock.steady }
        }
        toResume = clients.paused.union(world.truth.hasStopped ? ProviderWords.endpoints.prefix(1) : []).sorted()
    }

    /// The next action after the faults: nil to continue, `.some(nil)` at the end.
    func nextAction() throws -> Action?? {
        // No daemon answers while all of them stand still.
        guard machines.allSatisfy(\.isUp), machines.contains(where: \.serves) else { return nil }
        let open = audit.tasks.filter { !$0.hasEnded }
        // Failed deliveries are repeated after hours, and each daemon renews its leases meanwhile.
        if steps > (world.notifies ? 100_000 : 60_000) || world.clock.steady - (faultsEndedAt ?? 0) > 86_400_000 {
            let words = open.map { "\($0.id) \($0.endpoint) \($0.state) \($0.onUncertain)" }.joined(separator: ", ")
            let other = [
                audit.awaitsFirstReading ? "a reading" : nil, audit.undelivered,
                try audit.tasksWithoutFiles.first.map { "files of \($0)" },
                clients.passed.first(where: \.isAsking).map { "program \($0.number)" },
            ]
            throw Violation(
                .everythingEnds,
                "at \(world.clock.steady) ms after \(steps) steps, still open: \(words); \(other.compactMap(\.self))")
        }
        // Waits until no earlier pause, or action that may pause, is still in progress.
        let isQuiet = !world.scheduler.waiting.contains {
            $0.taskName.hasPrefix("person") || $0.taskName.hasPrefix("submit")
        }
        if isQuiet, let budget = limitsToReset.popLast() { return .setLimit(budget, nil) }
        if isQuiet, let endpoint = toResume.popLast() { return .resume(endpoint) }
        if let action = submission() { return action }
        if let attempt = clients.passedTry(random: world.passRandom) { return .pass(attempt) }
        guard world.scheduler.waiting.isEmpty, !machines.contains(where: { $0.loops.contains(where: \.isClaiming) }),
            !clients.intents.contains(where: { $0.asking > 0 }), !clients.passed.contains(where: \.isAsking)
        else { return nil }
        if open.isEmpty {
            // The audit does not know what the standby lacks.
            if failOver.hasHappened { return try audit.view.isRestored() ? nil : .some(nil) }
            guard !audit.awaitsFirstReading, audit.undelivered == nil else { return nil }
            if let unsettled = try audit.tasksWithoutFiles.first {
                let since = fetchingSince ?? world.clock.steady
                fetchingSince = since
                guard world.clock.steady - since < Self.longestFetch else {
                    throw Violation(.filesArrive, "\(unsettled) has a result whose file is neither saved nor given up")
                }
                return nil
            }
            return .some(nil)
        }
        guard world.clock.steady - quietSince >= SimulationDriver.giveUpAfter,
            let first = open.first(where: { $0.state == "uncertain" }), open.allSatisfy({ $0.state == "uncertain" })
        else { return nil }
        quietSince = world.clock.steady
        return .resolve(first.id, .giveUp)
    }
}
