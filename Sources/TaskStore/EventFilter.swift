package import TaskModel

/// Selects lines of the log. Empty members do not restrict it; lines about no task never match.
package struct EventFilter: Sendable, Hashable {
    package var tasks: Set<TaskID> = []
    package var endpoints: Set<EndpointName> = []
    /// The states to which the lines lead. A line that leaves its task in a state does not lead there.
    package var states: Set<TaskState> = []
    /// The task must have all of these labels.
    package var labels: [String: String] = [:]

    package init() {}

    /// Whether it selects the line of that change.
    package func matches(_ change: CommittedChange) -> Bool {
        let task = change.task
        let entry = change.entry
        return (tasks.isEmpty || tasks.contains(task.id))
            && (states.isEmpty || states.contains(entry.to) && entry.from != entry.to)
            && (endpoints.isEmpty || endpoints.contains(task.endpoint))
            && labels.allSatisfy { task.labels[$0.key] == $0.value }
    }
}

/// A part of the log, oldest line first.
package struct LogPage: Sendable {
    /// The lines that the filter selects, each with its task as it is now.
    package let lines: [CommittedChange]
    /// The place up to which all lines were read.
    package let through: Int64
    package let bounds: LogBounds

    /// Whether the page reaches the end of the log.
    package var isLast: Bool { through >= bounds.newest }
}

/// The first and last places of the log.
package struct LogBounds: Sendable, Hashable {
    /// The place of the last removed line; 0 if none was removed. Lines before it may be missing.
    package let removedUpTo: Int64
    /// The place of the last line that was ever written; 0 for none.
    package let newest: Int64
}
