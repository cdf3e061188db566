import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import TaskEngine

@Suite(.timeLimit(.minutes(1))) struct LatestCountsTests {
    private let world: EngineWorld
    private let counts: LatestCounts
    private let reads = Reads()

    init() async throws {
        world = try await EngineWorld()
        counts = LatestCounts(store: TaskStore(world.store))
        world.store.fail { [reads] call in reads.note(call) }
    }

    /// Counts the readings, and fails them on request.
    private final class Reads: Sendable {
        private let state = Mutex((count: 0, error: TaskStoreError?.none))

        var count: Int { state.withLock { $0.count } }
        func fail(with error: TaskStoreError?) { state.withLock { $0.error = error } }

        func note(_ call: StoreCall) -> TaskStoreError? {
            guard case .read("counts") = call else { return nil }
            return state.withLock { state in
                state.count += 1
                return state.error
            }
        }
    }

    private func queued() async -> Int? {
        await counts.latest()?.filter { $0.state == .queued }.map(\.count).reduce(0, +)
    }

    @Test func `however many ask, the counts are read once after each change`() async throws {
        for number in 1...3 {
            _ = try await world.submit()
            counts.noteChange()
            let seen = await withTaskGroup(of: Int?.self) { group in
                for _ in 1...50 { group.addTask { await queued() } }
                return await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(seen == [number])
            #expect(reads.count == number)
        }
    }

    @Test func `a reading that fails is not kept`() async throws {
        reads.fail(with: .full)
        #expect(await queued() == nil)
        reads.fail(with: nil)
        #expect(await queued() == 0)
        reads.fail(with: .full)
        #expect(await queued() == 0)
    }

    @Test func `a commit of unknown outcome is seen`() async throws {
        var limits = EngineLimits()
        limits.maxInFlight = 1
        let limited = try await EngineWorld(limits: limits)
        limited.provider.enqueue(.accepted("r-1"))
        let (first, second) = (try await limited.submit(), try await limited.submit())
        _ = try await limited.engine.submitter.step()
        #expect(try await limited.task(first).state == .running)
        let waiting = try await limited.task(second)
        #expect(await limited.service.forecast(of: waiting).waitingFor?.code == "in_flight_limit")
        limited.store.forgetOutcome { $0.isWrite }
        _ = try? await limited.service.cancel(first)
        #expect(try await limited.task(first).state == .cancelled)
        #expect(await limited.service.forecast(of: waiting).waitingFor?.code == "turn")
    }
}
