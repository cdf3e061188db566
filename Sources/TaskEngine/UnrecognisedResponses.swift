import Logging
import Synchronization
package import TaskModel

/// What came from providers since the start that no rule understands.
///
/// In memory only: after a restart each such task is asked for once at the usual pace, and tells itself again.
package final class UnrecognisedResponses: Sendable {
    /// What is known of an endpoint.
    package struct Report: Sendable, Hashable {
        /// Records, not tasks.
        package let count: Int
        package let lastShape: String
        package let lastAt: Timestamp
    }

    private struct State {
        var reports: [EndpointName: Report] = [:]
        /// What was logged already.
        var shapes: [EndpointName: Set<String>] = [:]
        var words: [EndpointName: Set<String>] = [:]
        var inARow: [TaskID: Int] = [:]
    }

    private let state = Mutex(State())
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    /// Writes a record down; true for a shape that was not seen before.
    func note(_ shape: String, of task: TaskID, endpoint: EndpointName, at now: Timestamp) -> Bool {
        state.withLock { state in
            let count = (state.reports[endpoint]?.count ?? 0) + 1
            state.reports[endpoint] = Report(count: count, lastShape: shape, lastAt: now)
            if state.inARow[task] != nil || state.inARow.count < Self.mostTasks { state.inARow[task, default: 0] += 1 }
            guard state.shapes[endpoint, default: []].count < Self.mostShapes else { return false }
            return state.shapes[endpoint, default: []].insert(shape).inserted
        }
    }

    /// Writes down a word that was read though its case differs; true for one that was not seen before.
    func note(word: String, of endpoint: EndpointName) -> Bool {
        state.withLock { state in
            guard state.words[endpoint, default: []].count < Self.mostShapes else { return false }
            return state.words[endpoint, default: []].insert(word).inserted
        }
    }

    /// The task said something plain, or has ended.
    func forget(_ task: TaskID) {
        state.withLock { _ = $0.inARow.removeValue(forKey: task) }
    }

    /// How many of the task's latest records in a row nobody understood.
    func inARow(_ task: TaskID) -> Int { state.withLock { $0.inARow[task] ?? 0 } }

    /// What is known of an endpoint; nil where all was understood.
    func report(of endpoint: EndpointName) -> Report? { state.withLock { $0.reports[endpoint] } }

    /// Further shapes of an endpoint are counted but no longer logged: one that never repeats is no shape.
    private static let mostShapes = 20
    /// Tasks beyond that are asked for at the usual pace, which the limits of their service bound all the same.
    private static let mostTasks = 100_000
}

extension UnrecognisedResponses {
    /// Notes whether a poll taught anything, and says once per shape if it did not.
    func note(_ observation: Observation, of task: TrackedTask, at now: Timestamp) {
        if let word = observation.respelledWord?.prefix(40), note(word: String(word), of: task.endpoint) {
            logger.warning(
                """
                \(task.endpoint) said "\(word)", which its definition lists in another case only. It was read as that word; \
                add "\(word)" to `state` in the definition.
                """)
        }
        guard let shape = observation.unrecognisedShape else { return forget(task.id) }
        guard note(shape, of: task.id, endpoint: task.endpoint, at: now) else { return }
        logger.warning(
            """
            \(task.endpoint) said something that no rule understands: \(shape). Task \(task.id) goes on and is asked for \
            more and more slowly; nothing is lost. `pollux show \(task.id) --response` prints it. If it has ended there, \
            `pollux cancel` it here; a newer version may know the shape. Others of this shape are only counted, in \
            `pollux endpoints`.
            """)
    }
}
