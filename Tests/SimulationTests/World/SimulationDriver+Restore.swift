import TaskEngine
import TaskModel

/// A copy of the database and its witness, put back after the original went on.
struct Restore {
    /// The tasks whose requests went out after the copy was made.
    let paidSince: Set<String>
    /// The paid requests before it was put back.
    let sentBefore: Int
    let startedAt: Int64
    /// The paid requests when a person accepted it; nil before that.
    var acceptedAt: Int?
}

extension SimulationDriver {
    /// How long a person looks at a restored database before accepting it.
    private static let patience: Int64 = 400_000
    private static let longest: Int64 = 2_000_000

    /// Puts the copy back. `copied` is the number of requests that were sent when it was made.
    func putBack(_ copy: Disk.Copy) throws {
        world.trace.note("the copy is put back")
        try disk.putBack(copy, withItsWitness: world.random.happens(500))
        world.endFaults()
        world.accounts.revive()
        faultsEndedAt = world.clock.steady
        quietSince = world.clock.steady
        let sent = world.truth.sent
        restore = Restore(
            paidSince: Set(sent[copy.sent...].compactMap { $0.sender?.text }), sentBefore: sent.count,
            startedAt: world.clock.steady)
    }

    /// Checks that nothing was paid for twice by the restored database.
    func checkRestore() throws {
        guard let restore else { return }
        let sent = world.truth.sent
        for request in sent[restore.sentBefore..<(restore.acceptedAt ?? sent.count)] {
            guard let sender = request.sender?.text, restore.paidSince.contains(sender) else { continue }
            throw Violation(.copySendsNothing, "\(sender) was sent after the copy was made, and again from the copy")
        }
        guard let accepted = restore.acceptedAt else { return }
        var counts: [String: Int] = [:]
        for case let sender? in sent[accepted...].map({ $0.sender?.text }) where restore.paidSince.contains(sender) {
            counts[sender, default: 0] += 1
            // Each further one needs a proven rejection or a person's decision, and these histories have neither.
            let isListed = world.truth.records.contains {
                $0.sender?.text == sender && $0.listedFrom + .seconds(300) <= world.clock.providerNow
                    && !$0.isForgotten(at: world.clock.providerNow)
            }
            guard counts[sender] == 1 || !isListed else {
                throw Violation(.copySendsNothing, "\(sender) was sent twice after a person had accepted the copy")
            }
        }
    }

    /// Lets a person accept the copy after a while. Returns true at the end.
    func decideAboutRestore(_ group: inout DiscardingTaskGroup) async -> Bool {
        guard let daemon, let restore else { return false }
        let now = world.clock.steady
        if now - quietSince >= Self.giveUpAfter { quietSince = now }
        let isIdle = world.scheduler.waiting.isEmpty && !loops.contains(where: \.isClaiming)
        if restore.acceptedAt == nil, now - restore.startedAt > Self.patience, isIdle {
            self.restore?.acceptedAt = world.truth.sent.count
            world.trace.note("a person accepts the copy")
            let restores = daemon.restores
            await world.scheduler.start("person accepts", in: &group) { _ = try? await restores.accept() }
            return false
        }
        let isOver = audit.tasks.allSatisfy { $0.hasEnded || $0.state == "uncertain" }
        return restore.acceptedAt != nil && isIdle && isOver && now - restore.startedAt > Self.patience * 2
            || now - restore.startedAt > Self.longest
    }
}
