import Logging
import ProviderCatalog
import Randomness
import SQLiteDriver
import Synchronization
import TaskModel
import TaskStore
import TaskTesting

@testable import TaskEngine

/// One life of the daemon, from its start to a crash.
struct Life: Sendable {
    /// One piece of claimed work, whatever loop it came from.
    struct Piece: Sendable {
        let name: String
        let perform: @Sendable () async -> Void
    }

    /// What a claim brought.
    struct Claim: Sendable {
        let pieces: [Piece]
        let next: Result<Timestamp, TaskStoreError>
    }

    /// A loop without its kind of work; it is signalled, and takes that in, as when it runs by itself.
    struct Loop: Sendable {
        let name: String
        let claim: @Sendable () async -> Claim
        private let wake: WakeSignal
        /// Whether somebody has told it that there may be something to do.
        var isSignalled: Bool { wake.isSignalled }

        init<Driven: Worker>(_ loop: Driven, _ name: String, piece: @escaping @Sendable (Driven.Work) -> String) {
            self.name = name
            let wake = loop.wake
            self.wake = wake
            claim = {
                wake.takeSignal()
                let (work, next) = await loop.claim()
                let pieces = work.map { work in
                    Piece(name: piece(work)) {
                        await loop.perform(work)
                        wake.signal()
                    }
                }
                return Claim(pieces: pieces, next: next)
            }
        }
    }

    /// Whether this daemon has been killed.
    final class Pulse: Sendable {
        private let stopped = Mutex(false)
        var isDead: Bool { stopped.withLock { $0 } }
        func stop() { stopped.withLock { $0 = true } }
    }

    let service: TaskService
    let loops: [Loop]
    private let submitter: Submitter

    /// Starts as the daemon does: reads what holds requests back, then declares lost what a dead daemon left behind.
    init(
        on sqlite: SQLiteDriver, path: String, in world: World, number: Int, pulse: Pulse, mutant: Mutant?
    ) async throws {
        let base = try mutant?.wrap(sqlite, path: path) ?? sqlite
        let driver = SteppedDriver(
            base: base, world: world, takesUnknownForNo: mutant?.takesUnknownForNo ?? false
        ) { pulse.isDead }
        let upstream = SimulatedUpstream(world: world) { pulse.isDead }
        var limits = EngineLimits()
        mutant?.limits?(&limits)
        let context = try await EngineContext(
            store: TaskStore(driver, tampering: mutant?.tampering), catalog: world.catalog,
            transport: mutant?.wrap(upstream) ?? upstream, limits: limits, polling: world.polling,
            hasToken: { _ in true },
            callbacksAt: world.usesCallbacks ? Courier.publicURL : nil, time: world.clock,
            random: EngineRandom(SeededRandom(seed: world.seed &+ UInt64(number) &* 0x1_0000_0001)),
            logger: Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() })
        if mutant?.skipsRecovery != true { try await Recovery.run(context) }
        let engine = TaskEngine(context)
        service = engine.service
        submitter = engine.submitter
        loops = [
            Loop(engine.deadlines, "deadlines") { _ in "deadlines" },
            Loop(engine.reconciler, "reconciler") { "look up \($0.service)" },
            Loop(engine.scheduler, "scheduler") { "poll \($0.service)" },
            Loop(engine.submitter, "submitter") { "submit \($0.task.attempts) \($0.task.id)" },
        ]
    }

    /// Records a reply that another daemon has brought, which was taken for dead.
    func take(_ late: LateReply) async {
        let context = submitter.context
        guard var task = try? await context.store.task(late.task), let attempt = late.attempt, attempt <= task.attempts,
            let profile = context.catalog.endpoint(task.endpoint)
        else { return }
        task.attempts = attempt
        await submitter.take(profile.dialect.readSubmission(late.reply), of: Submitter.Work(task: task, profile: profile))
    }
}
