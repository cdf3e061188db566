import Synchronization
import TaskModel

/// Runs the tasks of a simulation one at a time, in the order that its driver decides.
///
/// A simulated task is a Swift task that runs the real engine. It parks here whenever it uses the store, the provider
/// or a clock, and only the driver resumes it. So the driver's decisions alone determine the history.
final class StepScheduler: Sendable {
    /// A task that waits to be resumed.
    struct ParkedTask: Sendable {
        let number: Int
        let taskName: String
        /// The life of its daemon, in histories of several daemons; else 0.
        let life: Int
        let label: String
        /// The earliest steady time to resume at; nil for any time.
        let notBefore: Int64?
        /// It may also resume when the wall clock shows this.
        let wall: Timestamp?
    }

    private struct State {
        var parked: [Int: (parkedTask: ParkedTask, continuation: CheckedContinuation<Void, Never>)] = [:]
        var nextNumber = 0
        var isRunning = false
        var driver: CheckedContinuation<Void, Never>?

        /// Ends the running task's step. Returns the driver's continuation if the driver already waits.
        mutating func endStep() -> CheckedContinuation<Void, Never>? {
            isRunning = false
            defer { driver = nil }
            return driver
        }
    }

    /// The name of the running task.
    @TaskLocal static var taskName = "nobody"
    /// The life of its daemon.
    @TaskLocal static var life = 0

    private let state = Mutex(State())

    /// Waits until the driver resumes the task. Returns immediately if its daemon is dead.
    func park(_ label: String, notBefore: Int64? = nil, wall: Timestamp? = nil) async {
        guard !Task.isCancelled else { return }
        let (taskName, life) = (Self.taskName, Self.life)
        await withCheckedContinuation { continuation in
            let driver = state.withLock { state in
                let parkedTask = ParkedTask(
                    number: state.nextNumber, taskName: taskName, life: life, label: label, notBefore: notBefore,
                    wall: wall)
                state.parked[parkedTask.number] = (parkedTask, continuation)
                state.nextNumber += 1
                return state.endStep()
            }
            driver?.resume()
        }
    }

    /// Starts a task and runs it until it parks for the first time.
    func start(
        _ taskName: String, in group: inout DiscardingTaskGroup, _ body: @escaping @Sendable () async -> Void
    ) async {
        state.withLock { $0.isRunning = true }
        group.addTask {
            await Self.$taskName.withValue(taskName) {
                await self.park("begin")
                await body()
            }
            self.state.withLock { $0.endStep() }?.resume()
        }
        await waitForStep()
    }

    /// The same for a task of one of several daemons, which can be cancelled when that daemon is killed.
    func start(
        _ taskName: String, of life: Int, on thread: HistoryThread, _ body: @escaping @Sendable () async -> Void
    ) async -> Task<Void, Never> {
        state.withLock { $0.isRunning = true }
        let task = Task(executorPreference: thread) {
            await Self.$life.withValue(life) {
                await Self.$taskName.withValue(taskName) {
                    await self.park("begin")
                    await body()
                }
            }
            self.state.withLock { $0.endStep() }?.resume()
        }
        await waitForStep()
        return task
    }

    /// Resumes a task. Returns when it parks again or ends.
    func resume(_ parkedTask: ParkedTask) async {
        let continuation = state.withLock { state in
            state.isRunning = true
            return state.parked.removeValue(forKey: parkedTask.number)?.continuation
        }
        continuation?.resume()
        await waitForStep()
    }

    /// All parked tasks in order of arrival.
    var waiting: [ParkedTask] { state.withLock { $0.parked.values.map(\.parkedTask).sorted { $0.number < $1.number } } }

    private func waitForStep() async {
        await withCheckedContinuation { continuation in
            let isBack = state.withLock { state in
                if !state.isRunning { return true }
                state.driver = continuation
                return false
            }
            if isBack { continuation.resume() }
        }
    }
}
