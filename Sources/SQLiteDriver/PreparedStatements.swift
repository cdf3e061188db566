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
/// GRDB finds a compiled statement by its text. That of a task's columns has 1,300 characters: to join and hash them takes
/// a third of what it takes to run the statement (counted with callgrind).
///
/// Unchecked, because a statement belongs to its connection's thread and can be in no lock. Whoever uses these has the
/// connection: ``ShortReads`` lends both together to one reader at a time, and ``GroupCommit`` uses its own on the writer's
/// queue only.
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

    /// Keeps none from now on: a connection cannot be closed while anybody has a statement of it.
    func discard() {
        compiled = [:]
        isDiscarded = true
    }
}
