import Synchronization
import TaskModel

/// Which tasks are being asked about at this moment; only these are in memory, never those that wait.
final class InFlightPolls: Sendable {
    private struct State {
        var batches: [String: Int] = [:]
        var tasks: [String: Set<TaskID>] = [:]
        /// Left out by a batch reply, so to be asked for alone.
        var alone: Set<TaskID> = []
        /// How many tasks a batch of a service may name where larger ones have failed.
        var batchCaps: [String: Int] = [:]
        /// Queries of a service that were answered.
        var answers: [String: Int] = [:]
        var troubles: [TaskID: Trouble] = [:]
        /// Whose records have more bytes than are read.
        var tooLarge: Set<TaskID> = []
    }

    /// How the queries about one task have failed.
    private struct Trouble {
        /// Failures between which others of the service were answered.
        var own = 0
        /// How many answers its service had given by the latest.
        var answersThen: Int
    }

    private let state = Mutex(State())

    func batches(of service: String) -> Int { state.withLock { $0.batches[service] ?? 0 } }

    func tasks(of service: String) -> Set<TaskID> { state.withLock { $0.tasks[service] ?? [] } }

    func isAlone(_ task: TaskID) -> Bool { state.withLock { $0.alone.contains(task) } }

    func markAlone(_ isAlone: Bool, _ task: TaskID) {
        state.withLock { state in
            // Bounded: a forgotten mark costs one more batch query that leaves the id out.
            if isAlone, state.alone.count < 100_000 { state.alone.insert(task) } else { state.alone.remove(task) }
        }
    }

    /// How many tasks one query of the service may name, of `most` that it could.
    func batchLimit(of service: String, upTo most: Int) -> Int {
        state.withLock { min($0.batchCaps[service] ?? most, most) }
    }

    /// A batch failed, perhaps because it is too large or since one of its ids spoils it: the next is half as large. Down
    /// to one, which shows whose fault it is.
    func halveBatch(of service: String, naming count: Int) {
        state.withLock { $0.batchCaps[service] = max(min(count, $0.batchCaps[service] ?? count) / 2, 1) }
    }

    /// A query of the service about so many tasks was answered: the next batch may be twice as large again.
    func noteAnswer(of service: String, about tasks: [TaskID], upTo most: Int) {
        state.withLock { state in
            state.answers[service, default: 0] += 1
            for task in tasks {
                state.troubles[task] = nil
                state.tooLarge.remove(task)
            }
            guard let cap = state.batchCaps[service], tasks.count >= cap else { return }
            state.batchCaps[service] = cap * 2 < most ? cap * 2 : nil
        }
    }

    /// A query about this one task failed: how often that has happened while others of the service were answered in
    /// between, so that it is this task's trouble; 0 where none was since the last time, so that it may be the service's.
    /// `isOwn` where it is certain.
    func noteFailure(of task: TaskID, service: String, isOwn: Bool) -> Int {
        state.withLock { state in
            let answers = state.answers[service] ?? 0
            // Bounded: forgotten ones count as the service's trouble once more.
            if state.troubles.count >= 10_000 { state.troubles = [:] }
            var trouble = state.troubles[task] ?? Trouble(answersThen: answers)
            let isItsOwn = isOwn || answers != trouble.answersThen
            if isItsOwn { trouble.own += 1 }
            trouble.answersThen = answers
            state.troubles[task] = trouble
            return isItsOwn ? trouble.own : 0
        }
    }

    /// The task is no longer asked about.
    func forget(_ task: TaskID) {
        state.withLock { state in
            state.alone.remove(task)
            state.troubles[task] = nil
            state.tooLarge.remove(task)
        }
    }

    /// The task's record has more bytes than are read; true the first time.
    func noteTooLarge(_ task: TaskID) -> Bool {
        state.withLock { state in
            // Bounded: beyond that it is told once more for each of them.
            if state.tooLarge.count >= 10_000 { state.tooLarge = [] }
            return state.tooLarge.insert(task).inserted
        }
    }

    func isTooLarge(_ task: TaskID) -> Bool { state.withLock { $0.tooLarge.contains(task) } }

    func begin(_ work: PollBatch) {
        state.withLock { state in
            state.batches[work.service, default: 0] += 1
            state.tasks[work.service, default: []].formUnion(work.tasks.map(\.id))
        }
    }

    func end(_ work: PollBatch) {
        state.withLock { state in
            state.batches[work.service, default: 1] -= 1
            state.tasks[work.service]?.subtract(work.tasks.map(\.id))
            if state.batches[work.service] == 0 {
                state.batches[work.service] = nil
                state.tasks[work.service] = nil
            }
        }
    }
}
