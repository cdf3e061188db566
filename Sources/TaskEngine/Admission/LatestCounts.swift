import Synchronization
import TaskModel
import TaskStore

/// The counts of tasks after the latest change, for display. They are read on demand, and once after each change at most.
final class LatestCounts: Sendable {
    private typealias Waiter = CheckedContinuation<[TaskCount]?, Never>

    private struct State {
        /// The number of changes that this process has seen.
        var changes = 0
        /// The counts, and the number of changes when they were read.
        var known: (changes: Int, counts: [TaskCount])?
        /// Who waits for the readings that are in progress, by the number of changes at their start.
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

    /// A task has changed, or a commit of unknown outcome may have changed one.
    func noteChange() { state.withLock { $0.changes += 1 } }

    /// The counts; nil if the store cannot be read.
    func latest() async -> [TaskCount]? {
        let step: Step = state.withLock { state in
            if let known = state.known, known.changes == state.changes { return .known(known.counts) }
            if state.readings[state.changes] != nil { return .wait(for: state.changes) }
            state.readings[state.changes] = []
            return .read(after: state.changes)
        }
        switch step {
        case .known(let counts): return counts
        case .read(let changes): return await read(after: changes)
        case .wait(let changes): return await withCheckedContinuation { wait($0, for: changes) }
        }
    }

    private func read(after changes: Int) async -> [TaskCount]? {
        let counts = try? await store.counts()
        let waiters = state.withLock { state in
            if let counts, state.known.map({ $0.changes < changes }) ?? true { state.known = (changes, counts) }
            return state.readings.removeValue(forKey: changes) ?? []
        }
        for waiter in waiters { waiter.resume(returning: counts) }
        return counts
    }

    private func wait(_ waiter: Waiter, for changes: Int) {
        let counts = state.withLock { state -> [TaskCount]?? in
            if state.readings[changes]?.append(waiter) != nil { return nil }
            // The reading has ended meanwhile.
            let known = state.known.flatMap { $0.changes >= changes ? $0.counts : nil }
            return .some(known)
        }
        if let counts { waiter.resume(returning: counts) }
    }
}
