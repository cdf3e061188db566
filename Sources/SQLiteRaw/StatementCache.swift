package import GRDB

/// The statements of one connection that run with nearly every request, compiled once and found by a key.
///
/// GRDB finds a compiled statement by its text. Building and hashing a text with all columns of a task costs too much
/// for a statement that runs with every request.
///
/// Unchecked, because a `Statement` is not `Sendable` and its connection already serialises all access: use a
/// cache only while you have its connection.
package final class StatementCache<Key: Hashable & Sendable>: @unchecked Sendable {
    private var compiled: [Key: Statement] = [:]
    private var isDiscarded: Bool

    /// Creates an empty cache. `keepsNone` is for a connection that serves one read only.
    package init(keepsNone: Bool = false) { isDiscarded = keepsNone }

    /// The statement of that key. `sql` is its text, which is only built on the first use.
    package func callAsFunction(
        _ key: Key, in db: Database, _ sql: @autoclosure () -> String
    ) throws -> Statement {
        if let statement = compiled[key] { return statement }
        let statement = try db.cachedStatement(sql: sql())
        if !isDiscarded { compiled[key] = statement }
        return statement
    }

    /// Drops the statements and keeps no new ones. A connection with open statements cannot be closed.
    package func discard() {
        compiled = [:]
        isDiscarded = true
    }
}
