import Foundation
import Synchronization

/// A task executor that runs a whole history on one thread.
///
/// Simulated tasks run one at a time anyway. On Swift's thread pool, each step would only pay for a thread change.
final class HistoryThread: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isOver = false
    }

    private let state = Mutex(State())
    /// Wakes the thread when there are jobs.
    private let jobsAvailable = DispatchSemaphore(value: 0)

    init() {
        let thread = Thread { [self] in run() }
        thread.name = "history"
        thread.stackSize = 8 << 20
        thread.start()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = state.withLock { state in
            state.jobs.append(job)
            return state.jobs.count == 1
        }
        if isFirst { jobsAvailable.signal() }
    }

    /// Ends the thread when all jobs are done.
    func stop() {
        state.withLock { $0.isOver = true }
        jobsAvailable.signal()
    }

    private func run() {
        let executor = asUnownedTaskExecutor()
        while true {
            let (jobs, isOver) = state.withLock { state in
                defer { state.jobs.removeAll(keepingCapacity: true) }
                return (state.jobs, state.isOver)
            }
            for job in jobs { job.runSynchronously(on: executor) }
            guard jobs.isEmpty else { continue }
            if isOver { return }
            jobsAvailable.wait()
        }
    }
}
