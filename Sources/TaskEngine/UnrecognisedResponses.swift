import Logging
import Synchronization
package import TaskModel

/// Counts the providers' records since the start that no rule understands.
///
/// In memory only: after a restart each such task is polled once at the usual pace, and counted again.
package final class UnrecognisedResponses: Sendable {
    /// The counts of an endpoint.
    package struct Report: Sendable, Hashable {
        /// The number of records, not of tasks.
        package let count: Int
        package let lastShape: String
        package let lastAt: Timestamp
    }

    private struct State {
        var reports: [EndpointName: Report] = [:]
        /// The shapes that were logged.
        var shapes: [EndpointName: Set<String>] = [:]
        var words: [EndpointName: Set<String>] = [:]
        var inARow: [TaskID: Int] = [:]
    }

    private let state = Mutex(State())
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    /// Counts a record. Returns true for a new shape.
    func note(_ shape: String, of task: TaskID, endpoint: EndpointName, at now: Timestamp) -> Bool {
        state.withLock { state in
            let count = (state.reports[endpoint]?.count ?? 0) + 1
            state.reports[endpoint] = Report(count: count, lastShape: shape, lastAt: now)
            if state.inARow[task] != nil || state.inARow.count < Self.mostTasks { state.inARow[task, default: 0] += 1 }
            guard state.shapes[endpoint, default: []].count < Self.mostShapes else { return false }
            return state.shapes[endpoint, default: []].insert(shape).inserted
        }
    }

    /// Records a word that differs from its definition in case only. Returns true for a new word.
    func note(word: String, of endpoint: EndpointName) -> Bool {
        state.withLock { state in
            guard state.words[endpoint, default: []].count < Self.mostShapes else { return false }
            return state.words[endpoint, default: []].insert(word).inserted
        }
    }

    /// Removes a task whose record was understood, or that has ended.
    func forget(_ task: TaskID) {
        state.withLock { _ = $0.inARow.removeValue(forKey: task) }
    }

    /// The number of the task's latest records in a row that no rule understands.
    func inARow(_ task: TaskID) -> Int { state.withLock { $0.inARow[task] ?? 0 } }

    /// The number of records of all endpoints.
    var total: Int { state.withLock { $0.reports.values.reduce(0) { $0 + $1.count } } }

    /// The counts of an endpoint; nil if all records were understood.
    func report(of endpoint: EndpointName) -> Report? { state.withLock { $0.reports[endpoint] } }

    /// The maximum number of shapes of an endpoint that are logged. Further ones are only counted.
    private static let mostShapes = 20
    /// The maximum number of tracked tasks. Others are polled at the usual pace.
    private static let mostTasks = 100_000
}

extension UnrecognisedResponses {
    /// Records whether a record was understood, and warns once for each unknown shape.
    func note(_ observation: Observation, of task: TrackedTask, at now: Timestamp) {
        if let word = observation.respelledWord?.prefix(40), note(word: String(word), of: task.endpoint) {
            logger.about(task).warning(
                """
                \(task.endpoint) sent "\(word)", which its definition lists in another case only. It was read as that word; \
                add "\(word)" to `state` in the definition.
                """)
        }
        guard let shape = observation.unrecognisedShape else { return forget(task.id) }
        guard note(shape, of: task.id, endpoint: task.endpoint, at: now) else { return }
        logger.about(task).warning(
            """
            \(task.endpoint) sent a record that no rule understands: \(shape). Task \(task.id) continues and is polled \
            less and less often; nothing is lost. `pollux show \(task.id) --response` prints it. If it has ended there, \
            `pollux cancel` it here; a newer version may know the shape. Other records of this shape are only counted, in \
            `pollux endpoints`.
            """)
    }
}
