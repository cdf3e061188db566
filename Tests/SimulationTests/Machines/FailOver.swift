import Synchronization
import TaskModel
import TaskStore
import TaskTesting

/// The database server of a history. A standby may take over, with a database that lacks the last commits.
final class Server: DriverWrapper {
    private let database: Mutex<OpenDatabase>

    init(_ database: OpenDatabase) { self.database = Mutex(database) }

    var base: any StoreDriver { database.withLock { $0.driver } }
    /// What tells it apart; nil if the driver knows.
    var identity: String? { database.withLock { $0.server } }

    /// Replaces the connection, after ``close()``.
    func connect(to database: OpenDatabase) { self.database.withLock { $0 = database } }

    func close() async throws { try await database.withLock { $0 }.close() }
}

/// When a standby takes over in a history, and what it lacks.
struct FailOver {
    /// The steps at which it has the last commit that it gets, and at which it takes over; nil if it never does.
    private let steps: (last: Int, takeOver: Int)?
    let random: SharedRandom
    /// Whether its last commit is the start of an attempt, if there is one in time.
    private let endsWithStart: Bool
    /// Whether it has that commit.
    var hasLastCommit = false
    /// The number of the provider's records when it took over; nil before.
    var billedBefore: Int?

    init(seed: UInt64, isForced: Bool?, faultSteps: Int) {
        random = SharedRandom(seed: seed ^ 0x428a_2f98_d728_ae22)
        endsWithStart = random.happens(500)
        guard isForced ?? random.happens(250) else {
            steps = nil
            return
        }
        let takeOver = random.integer(in: 40...max(faultSteps, 40))
        steps = (max(takeOver - random.integer(in: 2...60), 1), takeOver)
    }

    var hasHappened: Bool { billedBefore != nil }
    /// Whether the standby gets no later commit. `isSending` says whether an attempt has started and its reply is not recorded.
    func isLastCommit(at step: Int, isSending: Bool) -> Bool {
        guard let steps, !hasLastCommit, step >= steps.last else { return false }
        return isSending || !endsWithStart || step == steps.takeOver - 1
    }
    func isDue(at step: Int) -> Bool { steps?.takeOver == step }
}

/// What happens when the standby takes over.
extension MachinesDriver {
    func keepCopy(of server: Server) async throws {
        try await server.close()
        try audit.view.close()
        try database.keepCopy()
        server.connect(to: try await database.open())
        try audit.read(by: database.view())
        failOver.hasLastCommit = true
    }

    func takeOver(from server: Server) async throws {
        guard failOver.hasLastCommit else { return }
        world.trace.note("a standby takes over, without the last commits")
        for index in machines.indices where machines[index].isUp && failOver.random.happens(300) { await kill(index) }
        try await server.close()
        try database.takeOver()
        server.connect(to: try await database.open())
        truth.noteFailOver()
        try audit.begin(incarnation: 0, view: database.view())
        failOver.billedBefore = world.truth.records.count
        world.touch()
    }

    /// Checks that no task was paid again because the standby lacks what was done for it.
    func checkFailOver() throws {
        try audit.refresh()
        if world.money.isOn { try audit.checkMeters() }
        let rows = Dictionary(audit.tasks.map { ($0.id, $0) }) { first, _ in first }
        for (index, record) in world.truth.records.enumerated().dropFirst(failOver.billedBefore ?? 0) {
            guard let sender = record.sender?.text, clients.resubmissions[sender] == nil, let row = rows[sender] else {
                continue
            }
            let earlier = world.truth.records[..<index].filter { $0.sender?.text == sender }
            guard !earlier.isEmpty else { continue }
            // A policy may decide about what the list does not show.
            let isHidden = earlier.contains { record in
                ProviderWords.unlisted.contains(record.service) || record.listedFrom > record.createdAt
                    || record.forgottenFrom != nil
            }
            guard row.onUncertain != "resubmit_if_absent" || !isHidden else { continue }
            throw Violation(
                .failOverPaysOnce, "\(earlier.map(\.id)) and \(record.id) were billed for \(sender)")
        }
    }
}
