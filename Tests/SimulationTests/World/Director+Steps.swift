import TaskEngine
import TaskModel
import VerbatimJSON

extension Director {
    /// Something breaks, perhaps, or somebody does something; true where the daemon is killed.
    func storm(_ group: inout DiscardingTaskGroup) async -> Bool {
        let (dice, weather) = (world.dice, world.weather)
        if dice.happens(weather.crashes) {
            world.trace.note("kill -9")
            return true
        }
        if dice.happens(weather.jumps) {
            // A time server's steps are small; a large one may be a mistake that is soon set right.
            let size = dice.happens(500) ? dice.roll(10...20_000) : dice.roll(1...7)
            let span = size * (dice.happens(500) ? 1 : -1)
            let pause = dice.happens(500) ? dice.roll(1_000...50_000) : nil
            world.trace.note("the clock is set by \(span) s\(pause.map { ", and back after \($0) ms" } ?? "")")
            world.clock.jump(by: .seconds(span), andBackAfter: pause)
        }
        if world.isDiskFull ? dice.happens(150) : dice.happens(weather.fullDisk) {
            world.isDiskFull.toggle()
            world.trace.note(world.isDiskFull ? "the disk is full" : "the disk has room again")
        }
        if dice.happens(weather.forgetting), let record = dice.pick(world.truth.records),
            !world.courier.contradicts(record.id)
        {
            world.trace.note("the provider forgets \(record.id)")
            world.truth.forget(record.id)
        }
        if dice.happens(120), let action = wish() { await act(action, &group) }
        if dice.happens(60), life != nil, let late = world.truth.takeLate() { await act(.bringReply(late), &group) }
        if dice.happens(weather.strangers), let intent = dice.pick(people.intents) {
            // It asks for more than ours, so that it is never ours.
            var body = intent.submission.request
            body["mode"] = "turbo"
            world.truth.accept(.init(sender: nil, path: "/\(intent.submission.endpoint)", body: body))
        }
        if dice.happens(20), !loops.isEmpty { await claim(dice.roll(0...loops.count - 1), &group) }
        if dice.happens(30) { pass(dice.roll(1...5_000)) }
        return false
    }

    /// The world is as it should be, from now on.
    func heal() {
        world.heal()
        healedAt = world.clock.steady
        quietSince = world.clock.steady
        // Any endpoint will do for the account.
        let stopped = world.truth.hasStopped ? ProviderWords.endpoints.prefix(1) : []
        toResume = people.paused.union(stopped).sorted()
    }

    /// What a program or a person could want now.
    private func wish() -> Action? {
        let dice = world.dice
        if dice.happens(mutant?.peopleTrack ?? false ? 300 : 550) { return submission() }
        let uncertain = audit.tasks.filter { $0.state == "uncertain" }
        if dice.happens(mutant?.peopleTrack ?? false ? 900 : 300), let row = dice.pick(uncertain) {
            // Tracking its id instead of adopting it is an easy mistake.
            if let its = lostRecord(of: row), mutant?.peopleTrack ?? false || dice.happens(300) {
                return .track(row.endpoint, remoteID: its.id)
            }
            return .resolve(row.id, decision(about: row))
        }
        switch dice.roll(0...6) {
        case 0: return dice.pick(audit.tasks).map { .cancel($0.id) }
        case 1: return dice.pick(audit.tasks.filter(\.hasEnded)).map { .reopen($0.id) }
        case 2: return dice.pick(audit.tasks).map { .resolve($0.id, decision(about: $0)) }
        case 3:
            // Another program's, or one of ours whose reply was lost and whose id somebody saw at the provider.
            let owned = audit.ownedBySubmission
            let known = world.truth.records.filter {
                $0.isKnown(at: world.clock.providerNow) && ($0.sender == nil || !owned.contains($0.id))
            }
            return dice.pick(known).map { .track("\($0.service)/\($0.operation)", remoteID: $0.id) }
        case 4:
            guard var misuse = dice.pick(people.intents.filter { $0.key != nil && $0.answered != nil })?.submission
            else { return nil }
            misuse.request["prompt"] = "something else"
            return .misuseKey(misuse)
        case 5: return dice.happens(300) ? dice.pick(ProviderWords.endpoints).map { .pause($0) } : nil
        default: return dice.pick(ProviderWords.endpoints).map { .resume($0) }
        }
    }

    /// The next submission that its program still waits to make.
    private func submission() -> Action? {
        world.dice.pick(people.intents.filter(\.wantsToAsk)).map { .submit($0.number, $0.submission) }
    }

    /// What a person who looks at the provider's own page would say of a lost submission.
    private func decision(about row: DiskView.TaskLine) -> UncertainResolution {
        if let its = lostRecord(of: row), world.dice.happens(700) { return .adopt(remoteID: its.id) }
        return world.dice.happens(500) ? .resubmit : .giveUp
    }

    /// What the provider has of a lost task, and no task of ours goes on with.
    private func lostRecord(of row: DiskView.TaskLine) -> ProviderTruth.Record? {
        let owned = Set(audit.tasks.compactMap(\.remoteID))
        return world.truth.records.first { $0.sender?.text == row.id && !owned.contains($0.id) }
    }

    // MARK: Going on

    /// Lets somebody go on, or time pass until somebody can.
    func go(_ group: inout DiscardingTaskGroup) async throws {
        let (steady, wall) = (world.clock.steady, world.clock.now())
        let waiting = world.turnstile.waiting
        let ready = waiting.filter { ticket in
            guard let notBefore = ticket.notBefore else { return true }
            return notBefore <= steady || ticket.wall.map { $0 <= wall } ?? false
        }
        let due = loops.indices.filter { index in
            let loop = loops[index]
            guard !loop.isClaiming else { return false }
            let isNudged = !loop.isDeaf && mutant?.hearsNoHints != true && life?.loops[index].isNudged ?? false
            return isNudged || loop.due.steady <= steady || loop.due.wall <= wall
        }
        let deliveries = world.courier.due
        let choices = ready.count + due.count + deliveries.count
        guard choices > 0 else { return try pass(untilSomebodyCan: waiting) }
        let choice = world.dice.roll(0...choices - 1)
        if choice < ready.count {
            await world.turnstile.admit(ready[choice])
        } else if choice < ready.count + due.count {
            await claim(due[choice - ready.count], &group)
        } else {
            await deliver(deliveries[choice - ready.count - due.count], &group)
        }
    }

    private func pass(_ milliseconds: Int) {
        world.clock.advance(toSteady: world.clock.steady + Int64(milliseconds))
    }

    /// Skips the time in which nothing happens.
    ///
    /// Loops come back at least once a minute; where no row is due before, nothing would come of it.
    private func pass(untilSomebodyCan waiting: [Turnstile.Ticket]) throws {
        let clock = world.clock
        var next = waiting.compactMap(\.notBefore)
        let times = audit.tasks.filter { !$0.hasEnded }.flatMap { [$0.nextDueAt, $0.deadline] }
        let rows = (times + audit.givenUp.map(\.nextReadingAt)).compactMap { $0 }
            .map { clock.steady(at: Timestamp(milliseconds: $0)) }
        let loop = loops.filter { !$0.isClaiming }.map(\.due.steady).min()
        if let loop, let row = rows.min() { next.append(rows.contains { $0 <= clock.steady } ? loop : max(loop, row)) }
        if let call = world.courier.nextDue { next.append(call) }
        if healedAt != nil, next.isEmpty { next.append(quietSince + Self.patience) }
        let target = max(next.min() ?? clock.steady + 1_000, clock.steady + 1)
        try checkPunctuality(at: target)
        clock.advance(toSteady: target)
        // Rows may be due long after the loops would have come back.
        for index in loops.indices where loops[index].due.steady < target { loops[index].due.steady = target }
    }

    /// How late a query may be where nothing is in its way: less than the minute after which a loop looks by itself, so that
    /// a hint that got lost shows; more than the provider's rate can delay the few tasks of a history.
    private static let lateness: Int64 = 20_000
    /// After so long what the storm has closed is open again.
    private static let aftermath: Int64 = 70_000

    /// No running task is left waiting while time passes.
    private func checkPunctuality(at time: Int64) throws {
        guard let healedAt, world.clock.steady - healedAt > Self.aftermath else { return }
        for row in audit.tasks where row.state == "running" {
            guard let due = row.nextDueAt.map({ world.clock.steady(at: Timestamp(milliseconds: $0)) }),
                time - due > Self.lateness
            else { continue }
            throw Violation(.askedInTime, "\(row.id) was due at \(due) ms, and nobody looks before \(time) ms")
        }
    }

    // MARK: After the storm

    /// How long a lost submission is looked for before a person gives it up.
    static let patience: Int64 = 400_000

    /// What is still to be done once the world has healed: nil to go on, `.some(nil)` when all is over.
    func afterwards() throws -> Action?? {
        guard life != nil else { return nil }
        // A history in a hurry asks ten times as often.
        if steps > (world.isHurried ? 40_000 : 8_000) || world.clock.steady - (healedAt ?? 0) > 2 * 86_400_000 {
            let open = audit.tasks.filter { !$0.hasEnded }.map {
                "\($0.id) \($0.endpoint) \($0.state) \($0.onUncertain), due at \($0.nextDueAt.map { String(world.clock.steady(at: Timestamp(milliseconds: $0))) } ?? "never")"
            }
            throw Violation(
                .everythingEnds,
                "at \(world.clock.steady) ms after \(steps) steps: still open: \(open.joined(separator: ", "))")
        }
        // Not while a pause from before is still being stored, or its cause is on its way, which could be the later one.
        let isQuiet = !world.turnstile.waiting.contains {
            $0.player.hasPrefix("person") || $0.player.hasPrefix("submit")
        }
        if isQuiet, let endpoint = toResume.popLast() { return .resume(endpoint) }
        if let action = submission() { return action }
        let open = audit.tasks.filter { !$0.hasEnded }
        guard world.turnstile.waiting.isEmpty, !loops.contains(where: \.isClaiming),
            !people.intents.contains(where: { $0.asking > 0 })
        else { return nil }
        if open.isEmpty {
            // What was given up is looked for again five minutes later.
            guard audit.awaitsFirstReading else {
                try audit.checkLateRecords()
                return .some(nil)
            }
            return nil
        }
        guard world.clock.steady - quietSince >= Self.patience, open.allSatisfy(mayWaitForPerson) else { return nil }
        for row in open { try checkFindable(row) }
        // What is decided about one may tell something about the others, which are looked for again first.
        quietSince = world.clock.steady
        return open.first.map { .resolve($0.id, .giveUp) }
    }

    /// Whether only a person can say what became of it, and it says so.
    private func mayWaitForPerson(_ row: DiskView.TaskLine) -> Bool {
        guard row.state == "uncertain", row.failureCode != nil else { return false }
        // An attempt from the time of a wrong clock is looked for around that time, and proves nothing by not being there.
        let isOutOfTime = world.clock.jumps > 0
        // Of what was called back for without an id nobody can tell more, and no policy may send it again.
        return row.callbacks > 0 || row.onUncertain == "hold" || ProviderWords.unlisted.contains(row.service)
            || hasRival(row) || isOutOfTime || mayLackControl(row) || hasPossibleRecord(row)
    }

    /// Whether the list may show a record that could be this task's: one that no task owns whose submission was seen.
    private func hasPossibleRecord(_ row: DiskView.TaskLine) -> Bool {
        let owned = audit.ownedBySubmission
        return world.truth.records.contains { $0.service == row.service && !owned.contains($0.id) }
    }

    /// Whether the provider has forgotten a task of that endpoint: a list proves nothing where it does not show what is
    /// known to be there.
    private func mayLackControl(_ row: DiskView.TaskLine) -> Bool {
        guard world.habit.isFaithful else { return true }
        if world.habit == .hidesEdits, row.endpoint == "image/edit" { return true }
        return !audit.hasControl(for: row)
    }

    /// Whether a lost or given-up attempt of another endpoint could own the same record: then no list can tell whose it is.
    private func hasRival(_ row: DiskView.TaskLine) -> Bool {
        let givenUp = Set(audit.givenUp.filter { $0.remoteID == nil }.map(\.task))
        return audit.tasks.contains {
            $0.service == row.service && $0.endpoint != row.endpoint
                && ($0.state == "uncertain" || givenUp.contains($0.id))
        }
    }

    /// A record that only this task can have, and that the list shows, must have been found; of a task that was sent
    /// again only the latest attempt is looked for.
    private func checkFindable(_ row: DiskView.TaskLine) throws {
        guard world.clock.jumps == 0, !mayLackControl(row), row.callbacks == 0,
            !ProviderWords.unlisted.contains(row.service), !audit.wasResubmitted(row.id)
        else { return }
        let owned = Set(audit.tasks.filter { $0.service == row.service }.compactMap(\.remoteID))
        let now = world.clock.providerNow
        let its = world.truth.records.first {
            // The longest gap between two look-ups is a minute.
            $0.sender?.text == row.id && !owned.contains($0.id) && $0.isListed(at: now)
                && $0.listedFrom + .seconds(70) <= now
        }
        if let its, !hasRival(row) { throw Violation(.lostIsFound, "\(row.id) is \(its.id), and was not found") }
    }
}
