import GRDB
import SQLiteRaw
import StoreSQL

@testable import PostgresDriver

/// A connection to the database of a history, besides those of its daemons. It only reads.
protocol TableReader {
    var dialect: SQLDialect { get }
    /// A statement whose result changes with every change of the database by another connection.
    var version: String { get }
    func read<Value>(_ body: (any SQLConnection) throws -> Value) throws -> Value
    func close() throws
}

/// Reads a file of SQLite.
struct SQLiteReader: TableReader {
    private let queue: DatabaseQueue

    init(path: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        queue = try DatabaseQueue(path: path, configuration: configuration)
    }

    var dialect: SQLDialect { .sqlite }
    /// https://sqlite.org/pragma.html#pragma_data_version
    var version: String { "PRAGMA data_version" }

    func read<Value>(_ body: (any SQLConnection) throws -> Value) throws -> Value {
        try queue.unsafeRead { try body(RawConnection($0)) }
    }

    func close() throws { try queue.close() }
}

/// Reads a database of PostgreSQL.
final class PostgresReader: TableReader {
    private var connection: PostgresConnection?

    init(_ address: PostgresAddress) throws {
        let connection = try PostgresConnection(PostgresOptions(address: address, keepsStatements: true))
        try connection.beginPipeline()
        self.connection = connection
    }

    var dialect: SQLDialect { .postgres }
    /// The number of the next transaction of the server that changes anything
    /// (https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-PG-SNAPSHOT-PARTS).
    var version: String { "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)" }

    func read<Value>(_ body: (any SQLConnection) throws -> Value) throws -> Value {
        guard let connection else { throw PostgresError("the view is closed", .connectionLost) }
        return try body(connection)
    }

    func close() { connection = nil }
}
