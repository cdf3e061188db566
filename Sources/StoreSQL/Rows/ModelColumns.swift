import TaskModel

extension ColumnValue {
    init(_ time: Timestamp) { self = .integer(time.milliseconds) }
    init(_ time: Timestamp?) { self = time.map { .integer($0.milliseconds) } ?? .null }
}

extension ColumnReader {
    /// The next column as a task's id; nil if it is not one.
    mutating func taskID() -> TaskID? { withText { TaskID(characters: $0) } }

    /// The next column as a time in milliseconds.
    mutating func time() -> Timestamp? { (optional() as Int64?).map(Timestamp.init(milliseconds:)) }
}
