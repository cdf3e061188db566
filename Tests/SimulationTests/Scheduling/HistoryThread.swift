import Foundation

/// The one thread that does all of a history's work.
///
/// Players run one at a time anyway, so handing each step from one thread of Swift's pool to another only costs: with the
/// pool two cores were half idle.
final class HistoryThread: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isOver = false
    }

    /// A condition and not a mutex, since the thread has to wait for what a reader's thread of the store brings.
    private let condition = NSCondition()
    // Only touched while the condition is locked.
    private nonisolated(unsafe) var state = State()

    init() {
        let thread = Thread { [self] in run() }
        thread.name = "history"
        thread.stackSize = 8 << 20
        thread.start()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        condition.withLock {
            state.jobs.append(job)
            if state.jobs.count == 1 { condition.signal() }
        }
    }

    /// The thread ends once nothing is left to do.
    func stop() {
        condition.withLock {
            state.isOver = true
            condition.signal()
        }
    }

    private func run() {
        let executor = asUnownedTaskExecutor()
        while true {
            let jobs = nextJobs()
            guard !jobs.isEmpty else { return }
            for job in jobs { job.runSynchronously(on: executor) }
        }
    }

    /// What has come since; none once it is over.
    private func nextJobs() -> [UnownedJob] {
        condition.withLock {
            while state.jobs.isEmpty, !state.isOver { condition.wait() }
            defer { state.jobs.removeAll(keepingCapacity: true) }
            return state.jobs
        }
    }
}
