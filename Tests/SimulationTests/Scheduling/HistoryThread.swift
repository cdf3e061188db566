import Foundation
import Synchronization

/// The one thread that does all of a history's work.
///
/// Players run one at a time anyway, so handing each step from one thread of Swift's pool to another only costs: with the
/// pool two cores were half idle.
final class HistoryThread: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isOver = false
    }

    private let state = Mutex(State())
    /// The thread sleeps on it while there is nothing to do.
    private let news = DispatchSemaphore(value: 0)

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
        if isFirst { news.signal() }
    }

    /// The thread ends once nothing is left to do.
    func stop() {
        state.withLock { $0.isOver = true }
        news.signal()
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
            news.wait()
        }
    }
}
