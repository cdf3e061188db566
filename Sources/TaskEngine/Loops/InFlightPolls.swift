import Synchronization
import TaskModel

/// The status queries in flight, and the results of earlier ones that determine how a task can be polled.
///
/// In memory only: a restart costs a few more queries.
final class InFlightPolls: Sendable {
    private struct State {
        var batches: [AccountService: Int] = [:]
        var tasks: [AccountService: Set<TaskID>] = [:]
        /// Tasks that a batch reply omitted. They are polled alone.
        var alone: Set<TaskID> = []
        /// The largest batch of a service, after larger ones failed.
        var batchCaps: [AccountService: Int] = [:]
        /// The number of answered queries of a service.
        var answers: [AccountService: Int] = [:]
        var failures: [TaskID: QueryFailures] = [:]
        /// Tasks whose records exceed the size limit of replies.
        var tooLarge: Set<TaskID> = []
    }

    /// The failed queries of one task.
    private struct QueryFailures {
        /// The number of failures between which other queries of the service were answered.
        var own = 0
        /// The number of the service's answers at the latest failure.
        var answersThen: Int
    }

    private let state = Mutex(State())

    func batches(of service: AccountService) -> Int { state.withLock { $0.batches[service] ?? 0 } }

    func tasks(of service: AccountService) -> Set<TaskID> { state.withLock { $0.tasks[service] ?? [] } }

    func isAlone(_ task: TaskID) -> Bool { state.withLock { $0.alone.contains(task) } }

    func markAlone(_ isAlone: Bool, _ task: TaskID) {
        state.withLock { state in
            // Bounded. A lost mark costs one more batch query that omits the id.
            if isAlone, state.alone.count < 100_000 { state.alone.insert(task) } else { state.alone.remove(task) }
        }
    }

    /// The maximum number of tasks in one query of the service, at most `most`.
    func batchLimit(of service: AccountService, upTo most: Int) -> Int {
        state.withLock { min($0.batchCaps[service] ?? most, most) }
    }

    /// Halves the next batch after a failure. The batch may be too large, or one id may make it fail. A batch of one
    /// shows which.
    func halveBatch(of service: AccountService, naming count: Int) {
        state.withLock { $0.batchCaps[service] = max(min(count, $0.batchCaps[service] ?? count) / 2, 1) }
    }

    /// Records an answered query. After a full batch the next one may be twice as large.
    func noteAnswer(of service: AccountService, about tasks: [TaskID], upTo most: Int) {
        state.withLock { state in
            state.answers[service, default: 0] += 1
            for task in tasks {
                state.failures[task] = nil
                state.tooLarge.remove(task)
            }
            guard let cap = state.batchCaps[service], tasks.count >= cap else { return }
            state.batchCaps[service] = cap * 2 < most ? cap * 2 : nil
        }
    }

    /// Records a failed query about one task. Returns how many of its failures concern the task itself.
    ///
    /// A failure concerns the task if another query of the service was answered since its last failure, or if `isOwn`
    /// is true. Otherwise it may concern the whole service, and the result is 0.
    func noteFailure(of task: TaskID, service: AccountService, isOwn: Bool) -> Int {
        state.withLock { state in
            let answers = state.answers[service] ?? 0
            // Bounded. A lost failure counts as one of the service.
            if state.failures.count >= 10_000 { state.failures = [:] }
            var failures = state.failures[task] ?? QueryFailures(answersThen: answers)
            let isItsOwn = isOwn || answers != failures.answersThen
            if isItsOwn { failures.own += 1 }
            failures.answersThen = answers
            state.failures[task] = failures
            return isItsOwn ? failures.own : 0
        }
    }

    /// Removes a task that is no longer running.
    func forget(_ task: TaskID) {
        state.withLock { state in
            state.alone.remove(task)
            state.failures[task] = nil
            state.tooLarge.remove(task)
        }
    }

    /// Records that the task's record is too large to be read. Returns true the first time.
    func noteTooLarge(_ task: TaskID) -> Bool {
        state.withLock { state in
            // Bounded. If the mark is lost, the warning is repeated.
            if state.tooLarge.count >= 10_000 { state.tooLarge = [] }
            return state.tooLarge.insert(task).inserted
        }
    }

    /// The tasks whose records are too large to be read.
    var tooLarge: Set<TaskID> { state.withLock { $0.tooLarge } }

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
