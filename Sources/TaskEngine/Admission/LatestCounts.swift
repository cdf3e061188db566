import Synchronization
import TaskModel
import TaskStore

/// The counts of tasks after the latest commit, for display. However many ask, they are read once after each commit.
final class LatestCounts: Sendable {
    private typealias Waiter = CheckedContinuation<[TaskCount]?, Never>

    private struct State {
        /// The number of commits that this process has seen.
        var commits = 0
        var known: (commits: Int, counts: [TaskCount])?
        /// Who waits for the readings that are in progress, by the number of commits at their start.
        var readings: [Int: [Waiter]] = [:]
    }

    private enum Step {
        case known([TaskCount])
        case read(after: Int)
        case wait(for: Int)
    }

    private let state = Mutex(State())
    private let store: TaskStore

    init(store: TaskStore) { self.store = store }

    /// A commit may have changed the counts.
    func noteCommit() { state.withLock { $0.commits += 1 } }

    /// The counts; nil if the store cannot be read.
    func latest() async -> [TaskCount]? {
        let step: Step = state.withLock { state in
            if let known = state.known, known.commits == state.commits { return .known(known.counts) }
            if state.readings[state.commits] != nil { return .wait(for: state.commits) }
            state.readings[state.commits] = []
            return .read(after: state.commits)
        }
        switch step {
        case .known(let counts): return counts
        case .read(let commits): return await read(after: commits)
        case .wait(let commits): return await withCheckedContinuation { wait($0, for: commits) }
        }
    }

    private func read(after commits: Int) async -> [TaskCount]? {
        let counts = try? await store.counts()
        let waiters = state.withLock { state in
            if let counts, state.known.map({ $0.commits < commits }) ?? true { state.known = (commits, counts) }
            return state.readings.removeValue(forKey: commits) ?? []
        }
        for waiter in waiters { waiter.resume(returning: counts) }
        return counts
    }

    private func wait(_ waiter: Waiter, for commits: Int) {
        let counts = state.withLock { state -> [TaskCount]?? in
            guard state.readings[commits] != nil else { return .some(state.known?.counts) }
            state.readings[commits]?.append(waiter)
            return nil
        }
        // The reading has ended meanwhile.
        if let counts { waiter.resume(returning: counts) }
    }
}
