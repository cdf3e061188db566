import GRDB
import TaskModel

/// A statement that runs with nearly every request.
enum HotStatement: Hashable {
    case taskByID
    case taskByKey
    case taskWithPayload
    case insertTask
    /// Changes these of ``TaskRow/mutableColumns``, a bit for each, of a task in that state.
    case updateTask(columns: UInt64, from: TaskState)
}

/// The hot statements of one connection, compiled once.
///
/// GRDB looks compiled statements up by their text. Building and hashing the 1,300 characters of a task's columns costs
/// too much for a statement that runs with every request.
///
/// Unchecked, because a `Statement` is not `Sendable` and its connection already serialises all access. ``ShortReads``
/// lends a connection and its statements to one reader at a time. ``GroupCommit`` uses its own on the writer's queue only.
final class PreparedStatements: @unchecked Sendable {
    private var compiled: [HotStatement: Statement] = [:]
    private var isDiscarded: Bool

    /// `keepsNone` where the connection is only lent for one read.
    init(keepsNone: Bool = false) { isDiscarded = keepsNone }

    /// The statement; `sql` is its text, for the first time.
    func callAsFunction(_ hot: HotStatement, in db: Database, _ sql: @autoclosure () -> String) throws -> Statement {
        if let statement = compiled[hot] { return statement }
        let statement = try db.cachedStatement(sql: sql())
        if !isDiscarded { compiled[hot] = statement }
        return statement
    }

    /// Drops the statements and keeps no new ones. A connection with open statements cannot be closed.
    func discard() {
        compiled = [:]
        isDiscarded = true
    }
}
