import Synchronization
import TaskEngine
import TaskModel
import TaskTesting

/// Makes its callers wait until a test opens it.
final class Gate: Sendable {
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
    /// The task once its stored state is that one; woken by the store's own writes, never by time.
    func task(_ id: TaskID, waitingForState state: TaskState, world: EngineWorld) async throws -> TrackedTask {
        let gate = Gate()
        world.store.afterApply { _ in gate.open() }
        while true {
            let task = try await self.task(id).task
            if task.state == state { return task }
            await gate.wait()
        }
    }
}
