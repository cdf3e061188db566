import Synchronization
import TaskEngine
import TaskModel
import TaskTesting

/// Blocks callers until a test opens it.
final class Latch: Sendable {
    private let signal = WakeSignal()
    private let never = ManualTimeSource()

    func open() { signal.signal() }

    func wait() async { await signal.wait(until: Timestamp(milliseconds: .max), on: never) }
}

/// Counts calls, from 1.
final class Tally: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}

extension TaskService {
    /// Waits for writes of the store until the task has that state.
    func task(_ id: TaskID, waitingForState state: TaskState, world: EngineWorld) async throws -> TrackedTask {
        let latch = Latch()
        world.store.afterApply { _ in latch.open() }
        while true {
            let task = try await self.task(id).task
            if task.state == state { return task }
            await latch.wait()
        }
    }
}
