import CPostgreSQL
import StoreSQL
import TaskStore

/// An error of the server or of the connection to it.
struct PostgresError: Error, Hashable {
    /// What became of the connection and its transaction.
    enum Effect: Hashable {
        /// The transaction failed; the connection can be used after a rollback.
        case statement
        /// The connection is gone, and with it a transaction whose commit was not sent.
        case connectionLost
    }

    /// The SQLSTATE (https://www.postgresql.org/docs/15/errcodes-appendix.html); nil if the error is not the server's.
    let state: String?
    /// The server's text or libpq's, without a password.
    let message: String
    let effect: Effect

    init(state: String? = nil, _ message: String, _ effect: Effect = .statement) {
        self.state = state
        self.message = message
        self.effect = effect
    }

    /// Whether the same transaction may succeed when it runs again at once: it could not be serialised, or was chosen to end
    /// a deadlock.
    var isTransient: Bool { state == "40001" || state == "40P01" }

    /// Whether the server ended the session because its transaction was idle for too long. Such a transaction was undone.
    var isIdleTimeout: Bool { state == "25P03" }
}

extension TaskStoreError {
    /// Translates an error of a connection.
    init(translating error: any Error) {
        switch error {
        case let error as TaskStoreError: self = error
        case let error as PostgresError: self = Self.translating(error)
        case let error as ColumnTypeError: self = .damaged("\(error)")
        default: self = .failed("\(error)")
        }
    }

    private static func translating(_ error: PostgresError) -> TaskStoreError {
        guard error.effect == .statement else { return .unreachable(error.message) }
        switch error.state {
        case "53100": return .full
        // A standby, or a role that may not write.
        case "25006", "42501": return .readOnly
        case "55P03": return .locked
        case PostgresStatement.wrongCount:
            return .failed("another program changed a row although the writers' lock was held")
        case "XX001", "XX002": return .damaged(error.message)
        // Another session prepared the statement.
        case "26000", "42P05":
            return .failed("\(error.message); a pooler between needs `postgres.prepare: false` (docs/postgres.md)")
        case "57014": return .failed("a statement took too long and was cancelled (\(error.message))")
        case let state?: return .failed("PostgreSQL reports \(error.message) (\(state))")
        case nil: return .failed(error.message)
        }
    }
}
