import Synchronization
import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting

/// Runs the loops of an engine like `run()`, but in manual time, from one due time to the next.
///
/// Hanging requests stay in flight while the loops continue, as in a daemon.
struct EngineDriver {
    let world: EngineWorld
    let upstream: SimulatedUpstream
    private let tally = WorkTally()

    init(_ world: EngineWorld, _ upstream: SimulatedUpstream) {
        self.world = world
        self.upstream = upstream
        world.provider.play { sent async throws(UpstreamTransportError) in try await upstream.answer(sent) }
    }

    /// Runs for that long, or until no task is open.
    func run(for span: Duration) async throws {
        let end = world.time.elapsed() + span
        let tally = tally
        upstream.onHang { tally.rest(1) }
        try await withThrowingDiscardingTaskGroup { group in
            while world.time.elapsed() < end {
                let comeBack = try await round(in: &group)
                let isOver = try await world.sqlite.counts().allSatisfy { $0.state.hasEnded }
                if isOver { break }
                let rest = min(comeBack - world.time.now(), end - world.time.elapsed())
                await advance(by: max(rest, .milliseconds(1)))
            }
            // Ends the hanging requests, because the group waits for them.
            while tally.inFlight > 0 { await advance(by: .seconds(30)) }
        }
    }

    /// Lets every loop claim once. Returns the earliest time at which one claims again.
    private func round(in group: inout ThrowingDiscardingTaskGroup<any Error>) async throws -> Timestamp {
        var comeBack = world.time.now() + .seconds(60)
        comeBack = min(comeBack, try await claim(from: world.engine.deadlines, in: &group))
        comeBack = min(comeBack, try await claim(from: world.engine.submitter, in: &group))
        comeBack = min(comeBack, try await claim(from: world.engine.scheduler, in: &group))
        return comeBack
    }

    private func claim<Driven: Worker>(
        from loop: WorkerLoop<Driven>, in group: inout ThrowingDiscardingTaskGroup<any Error>
    ) async throws -> Timestamp {
        let (work, outcome) = await loop.claim()
        let tally = tally
        tally.begin(work.count)
        for piece in work {
            group.addTask {
                await loop.worker.perform(piece)
                tally.end()
            }
        }
        await tally.untilAtRest()
        // Finished work may have made room.
        return work.isEmpty ? try outcome.get() : world.time.now()
    }

    /// Advances the time, at most to the next end of a hanging request.
    private func advance(by span: Duration) async {
        let end = min(world.time.elapsed() + span, upstream.nextHangEnd ?? .seconds(1_000_000))
        world.time.advance(by: end - world.time.elapsed())
        upstream.release(until: end) { tally.rest(-$0) }
        await tally.untilAtRest()
    }
}

/// Counts the pieces of work in flight and those that hang.
private final class WorkTally: Sendable {
    private struct State {
        var inFlight = 0
        var hanging = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    var inFlight: Int { state.withLock { $0.inFlight } }

    func begin(_ count: Int) { change { $0.inFlight += count } }
    func end() { change { $0.inFlight -= 1 } }
    func rest(_ count: Int) { change { $0.hanging += count } }

    /// Returns once all work in flight hangs.
    func untilAtRest() async {
        await withCheckedContinuation { continuation in
            let isAtRest = state.withLock { state in
                if state.inFlight <= state.hanging { return true }
                state.waiter = continuation
                return false
            }
            if isAtRest { continuation.resume() }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            body(&state)
            guard state.inFlight <= state.hanging else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
