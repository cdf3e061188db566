import GRDB
import StoreSQL

/// The statements with keys of one connection, compiled once.
///
/// GRDB finds a compiled statement by its text. That of a statement with a key is not even built.
///
/// Unchecked, because a `Statement` is not `Sendable` and its connection already serialises all access: use a
/// cache only while you have its connection.
package final class StatementCache: @unchecked Sendable {
    private var compiled: [SQLStatement.Key: Statement] = [:]
    private var isDiscarded: Bool

    /// Creates an empty cache. `keepsNone` is for a connection that serves one read only.
    package init(keepsNone: Bool = false) { isDiscarded = keepsNone }

    func callAsFunction(_ statement: SQLStatement, in db: Database) throws -> Statement {
        switch statement {
        case .text(let text): return try db.cachedStatement(sql: text)
        case .keyed(let key, let text):
            if let found = compiled[key] { return found }
            let new = try db.cachedStatement(sql: text(.sqlite))
            if !isDiscarded { compiled[key] = new }
            return new
        }
    }

    /// Drops the statements and keeps no new ones. A connection with open statements cannot be closed.
    package func discard() {
        compiled = [:]
        isDiscarded = true
    }
}
