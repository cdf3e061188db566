import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// Starts, stops and kills the daemons.
extension MachinesDriver {
    /// Starts a simulated task of a daemon.
    func start(_ name: String, on index: Int, _ body: @escaping @Sendable () async -> Void) async {
        machines[index].tasks.removeAll(where: \.isCancelled)
        machines[index].tasks.append(
            await world.scheduler.start(name, of: machines[index].life, on: thread, body))
    }

    func startDaemon(_ index: Int) async {
        guard let server else { return }
        lives += 1
        let life = lives
        let stopFlag = DaemonIncarnation.StopFlag()
        let seen = SeenLines()
        machines[index].life = life
        machines[index].stopFlag = stopFlag
        machines[index].seen = seen
        machines[index].startsAt = nil
        world.trace.note("machine \(machines[index].number) starts life \(life)")
        let (world, inbox, mutant, path, truth) = (world, inbox, mutant, database.path, truth)
        let journal = machines[index].journal
        await start("start", on: index) {
            do {
                let daemon = try await DaemonIncarnation(
                    on: server, path: path, in: world, number: life, stopFlag: stopFlag, mutant: mutant,
                    sharing: .init(server: server, truth: truth, seen: seen, journal: journal))
                inbox.put(.started(daemon, life: life))
            } catch {
                inbox.put(.startFailed("\(error)", life: life))
            }
        }
    }

    /// Kills a daemon, and runs its remaining tasks to their end, which have no effect any more.
    func kill(_ index: Int) async {
        let life = machines[index].life
        hasMoved = true
        noteLostFates(of: index)
        machines[index].stopFlag.stop()
        for task in machines[index].tasks { task.cancel() }
        while let parked = world.scheduler.waiting.first(where: { $0.life == life }) {
            await world.scheduler.resume(parked)
        }
        // Programs get no reply from it.
        machines[index].life = 0
        (machines[index].daemon, machines[index].loops, machines[index].tasks) = (nil, [], [])
        (machines[index].goesOnAt, machines[index].hasRunSince) = (nil, nil)
        machines[index].isRecording = false
        machines[index].startsAt = world.clock.steady + Int64(world.random.integer(in: 0...30_000))
        world.touch()
    }

    /// Kills the daemon that polls, or lets it stand still.
    func strike() async {
        let leases = world.accounts.names.map {
            LeaseName(ProviderAccount(provider: ProviderWords.provider, account: $0))
        }
        let holder = machines.indices.first { index in
            let token = DaemonIncarnation.token(of: machines[index].life, in: world)
            return machines[index].serves && leases.contains { truth.isHeld($0, by: token) }
        }
        guard let holder else { return }
        hasStruck = true
        if world.random.happens(500) {
            world.trace.note("kill -9 of machine \(machines[holder].number), which polls")
            await kill(holder)
            machines[holder].startsAt = world.clock.steady + 120_000
        } else {
            stop(holder, for: 60_000)
        }
    }

    /// Other daemons will not know of replies that were delivered and are not stored as such, and take them for lost.
    func noteLostFates(of index: Int) {
        let unstored = machines[index].daemon?.gateway.fates.unstored ?? []
        if unstored.contains(where: { [.delivered, .received].contains($0.fate) }) { audit.repliesAreAmbiguous = true }
    }

    func stop(_ index: Int, for span: Int) {
        // It may have renewed its leases ten seconds ago.
        noteLostFates(of: index)
        world.trace.note("machine \(machines[index].number) stands still for \(span) ms")
        machines[index].goesOnAt = world.clock.steady + Int64(span)
        machines[index].hasRunSince = nil
        hasMoved = true
        world.touch()
    }

    /// Has a daemon read the settings again, as a person does machine by machine.
    func reload(_ daemon: DaemonIncarnation) async throws {
        // Without accounts and budgets they never change.
        guard world.accounts.areSeveral || world.money.isOn else { return }
        try await daemon.reload(world.catalog)
        if world.money.isOn { try await daemon.reloadBudgets() }
    }

    /// Changes the settings of most daemons that run. The others learn it when they start, or after the faults.
    func reloadMost() async throws {
        for machine in machines where machine.serves && world.reloadRandom.happens(700) {
            guard let daemon = machine.daemon else { continue }
            world.trace.note("machine \(machine.number) reads the settings again")
            try await reload(daemon)
        }
    }

    func injectFaults() async throws {
        let random = world.random
        if isCalm, !hasStruck, audit.tasks.contains(where: { $0.state == "running" }), random.happens(100) {
            await strike()
        }
        if random.happens(kills), let index = random.pick(machines.indices.filter { machines[$0].isUp }) {
            world.trace.note("kill -9 of machine \(machines[index].number)")
            await kill(index)
        }
        let running = machines.indices.filter { machines[$0].serves }
        // Most harm is done to a daemon that is about to send, or that renews its leases.
        let waiting = stops == 0 ? [] : world.scheduler.waiting
        let delicate = running.filter { index in
            waiting.contains { parked in
                parked.life == machines[index].life
                    && ["send", "acquire", "apply submission_started", "settle"].contains { parked.label.hasPrefix($0) }
            }
        }
        let victim =
            random.happens(stops) ? random.pick(running) : random.happens(stops * 4) ? random.pick(delicate) : nil
        if let index = victim { stop(index, for: random.pick([5_000, 20_000, 60_000]) ?? 0) }
        if random.happens(120), let action = randomAction() { await act(action) }
        if random.happens(60), let late = world.truth.takeLate() { await act(.bringReply(late)) }
        if !clients.passed.isEmpty {
            if world.passRandom.happens(150), let attempt = clients.passedTry(random: world.passRandom) {
                await act(.pass(attempt))
            }
        }
        guard !isCalm else { return }
        if steps.isMultiple(of: 5), world.beginTroubles(at: steps / 5) { try await reloadMost() }
        switch world.money.decision(queued: audit.tasks.filter { $0.state == "queued" }.map(\.id)) {
        case .action(let action): await act(action)
        case .reload: try await reloadMost()
        case nil: break
        }
    }

    func randomAction() -> Action? {
        let random = world.random
        if random.happens(650) { return submission() }
        let uncertain = audit.tasks.filter { $0.state == "uncertain" }
        if random.happens(300), let row = random.pick(uncertain) {
            return .resolve(row.id, random.happens(500) ? .resubmit : .giveUp)
        }
        switch random.integer(in: 0...3) {
        case 0: return random.pick(audit.tasks).map { .cancel($0.id) }
        case 1: return random.pick(audit.tasks.filter(\.hasEnded)).map { .reopen($0.id) }
        case 2: return random.happens(300) ? random.pick(ProviderWords.endpoints).map { .pause($0) } : nil
        default: return random.pick(ProviderWords.endpoints).map { .resume($0) }
        }
    }

    func submission() -> Action? {
        world.random.pick(clients.intents.filter(\.wantsToAsk)).map { .submit($0.number, $0.submission) }
    }

    /// A program or a person asks any daemon that runs.
    func act(_ action: Action) async {
        guard let index = world.random.pick(machines.indices.filter { machines[$0].serves }) else { return }
        await act(action, at: index)
    }

    func act(_ action: Action, at index: Int) async {
        guard let daemon = machines[index].daemon else { return }
        switch action {
        case .submit(let number, _):
            if let place = clients.intents.firstIndex(where: { $0.number == number }) {
                clients.intents[place].asking += 1
            }
        case .cancel(let id): clients.cancelled.insert(id)
        case .reopen(let id): clients.reopened.insert(id)
        case .resolve(let id, .resubmit): clients.resubmissions[id, default: 0] += 1
        case .pass(let attempt): clients.begin(attempt)
        case .pause(let endpoint): clients.paused.insert(endpoint)
        default: break
        }
        let (inbox, life) = (inbox, machines[index].life)
        await start(action.words, on: index) {
            let answer: Result<TaskID?, TaskServiceError>
            do throws(TaskServiceError) {
                answer = .success(try await action.perform(on: daemon))
            } catch {
                answer = .failure(error)
            }
            inbox.put(.answered(action, answer, life: life))
        }
    }

    func deliver(_ delivery: CallbackDriver.Delivery) async {
        world.callbackDriver.remove(delivery)
        guard let index = world.random.pick(machines.indices.filter { machines[$0].serves }),
            let callbacks = machines[index].daemon?.callbacks
        else { return world.trace.note("a callback fails: no daemon runs") }
        let body = delivery.body(
            by: ProviderWords(truth: world.truth, now: world.clock.providerNow, habit: world.habit))
        if delivery.forgetsTask { world.truth.forget(delivery.record) }
        let inbox = inbox
        await start("callback \(delivery.number)", on: index) {
            let isTaken = try? await delivery.perform(on: callbacks, body: body)
            if let isTaken { inbox.put(.delivered(delivery, wasTaken: isTaken)) }
        }
    }
}
