package import TaskModel

/// A statement. Its values are written `?`, in their order, or `?1`, `?2` … if one occurs twice.
package enum SQLStatement: Sendable, ExpressibleByStringInterpolation {
    /// A statement that a connection finds by its text.
    case text(String)
    /// A statement that runs with nearly every request.
    ///
    /// A connection finds it by its key and asks for the text on first use only. Building and hashing a text with all
    /// columns of a task costs too much for a statement that runs with every request.
    case keyed(Key, @Sendable (SQLDialect) -> String)

    package init(stringLiteral text: String) { self = .text(text) }
    package init(stringInterpolation text: DefaultStringInterpolation) {
        self = .text(String(stringInterpolation: text))
    }

    /// What identifies a statement that runs with nearly every request.
    package enum Key: Hashable, Sendable {
        case taskByID
        case taskByKey
        case taskWithPayload
        case insertTask
        case insertEvent
        /// Updates a task in that state. The bits select the columns of ``TaskRow/mutableColumns``.
        case updateTask(columns: UInt64, from: TaskState)
    }

    /// The text for that database.
    package func text(for dialect: SQLDialect) -> String {
        switch self {
        case .text(let text): text
        case .keyed(_, let text): text(dialect)
        }
    }
}
