import FoundationEssentials
import GRDB
import PostgresDriver
import PostgresTesting
import SQLiteDriver
import TaskStore

/// The database of a history.
protocol HistoryDatabase {
    /// The file, which some defects change; empty if there is none.
    var path: String { get }
    func open() async throws -> OpenDatabase
    func view() throws -> DiskView
}

/// A database on a server, and what a standby has of it.
protocol SharedDatabase: HistoryDatabase {
    /// Keeps what the standby has. Nothing is connected to the database.
    func keepCopy() throws
    /// The copy becomes the database, on another server.
    func takeOver() throws
}

/// An open database, and how it is closed.
struct OpenDatabase {
    let driver: any StoreDriver
    /// What tells its server apart; nil if the driver knows.
    var server: String?
    let close: @Sendable () async throws -> Void
}

/// A file of SQLite stands for the database of a server.
final class SharedFile: SharedDatabase {
    private let disk: Disk
    private var copy: Disk.Copy?
    private var servers = 1
    /// More lines than the standby lacks, as ``PostgresDriver`` skips them.
    private static let skippedLines = 1 << 24

    init(stage: Stage) throws { disk = try Disk(stage: stage, name: stage.nextName()) }

    var path: String { disk.path }

    func open() throws -> OpenDatabase {
        var opened = try disk.open()
        opened.server = "server \(servers)"
        return opened
    }

    func view() throws -> DiskView { try disk.view() }

    func keepCopy() throws { copy = try disk.copy(sent: 0, billed: 0) }

    func takeOver() throws {
        guard let copy else { return }
        try disk.putBack(copy, .besideWitness)
        let file = try DatabaseQueue(path: disk.path)
        try file.write { database in
            try database.execute(
                sql: "UPDATE sqlite_sequence SET seq = seq + \(Self.skippedLines) WHERE name = 'event'")
        }
        try file.close()
        servers += 1
    }
}

/// A database of a real PostgreSQL.
final class ServerDatabase: SharedDatabase {
    private let server: PostgresServer
    /// All databases of the history, the current one last.
    private var addresses: [String]
    private var copy: String?

    /// The server, and an empty database of the real store. All histories copy it.
    struct Template: Sendable {
        fileprivate let server: PostgresServer
        fileprivate let address: String

        init() async throws {
            server = try PostgresServer.shared
            address = try server.newDatabase()
            try await PostgresDriver.open(PostgresAddress(address)).close()
        }
    }

    init(from template: Template) throws {
        server = template.server
        addresses = [try server.newDatabase(copying: template.address)]
    }

    private var address: String { addresses.last ?? "" }
    var path: String { "" }

    func open() throws -> OpenDatabase {
        let driver = try PostgresDriver.open(PostgresAddress(address))
        return OpenDatabase(driver: driver) { await driver.close() }
    }

    func view() throws -> DiskView { DiskView(try PostgresReader(PostgresAddress(address))) }

    func keepCopy() throws { copy = try server.newDatabase(copying: address) }

    func takeOver() throws {
        guard let copy else { return }
        // The identity of a server, as the driver finds it, is another one here.
        try server.run(
            """
            CREATE SCHEMA other;
            CREATE FUNCTION other.pg_control_system(OUT system_identifier BIGINT) LANGUAGE sql
              AS 'SELECT CAST(7 AS BIGINT)';
            ALTER DATABASE \(PostgresServer.name(in: copy)) SET search_path = other, public, pg_catalog
            """, in: copy)
        addresses.append(copy)
        self.copy = nil
    }

    deinit {
        for address in addresses + [copy].compactMap(\.self) { try? server.drop(address) }
    }
}
