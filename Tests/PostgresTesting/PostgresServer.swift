import CPostgreSQL
import Foundation
import Synchronization

/// A PostgreSQL of Debian's packages that runs for this process, in a directory of its own.
///
/// `scripts/run-postgres.sh` runs it. It ends with the process, however that ends.
package final class PostgresServer: Sendable {
    /// Whether the packages are installed. `POLLUX_TESTS_NEED_POSTGRES` makes their absence a failure.
    package static let isInstalled =
        ProcessInfo.processInfo.environment["POLLUX_TESTS_NEED_POSTGRES"] != nil
        || !((try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []).isEmpty

    /// What a test without a server says.
    package static let howToInstall = "PostgreSQL is not installed: scripts/install-dependencies.sh --postgres"

    /// The server for tests that do not stop it. It starts when it is first asked for.
    package static var shared: PostgresServer {
        get throws { try started.get() }
    }

    private static let started = Result {
        // An analysis at the wrong moment gives other plans.
        try PostgresServer(["--pooler", "-c", "autovacuum=off"])
    }

    /// The directory of the sockets and of `data`.
    package let directory: String
    private let process: Process
    private let input: Pipe
    private let output: Pipe
    private let count = Mutex(0)

    /// Starts a server with these arguments of the script.
    package init(_ arguments: [String] = []) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = [root.appending(path: "scripts/run-postgres.sh").path] + arguments
        output = Pipe()
        input = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        directory = try Self.line(of: output)
        guard !directory.isEmpty else { throw StartError() }
    }

    deinit { stop() }

    /// Stops it and removes its directory.
    package func stop() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// The address of a new database: an empty one, or a copy of another one that nobody uses.
    package func newDatabase(copying original: String? = nil) throws -> String {
        let name = count.withLock { count in
            count += 1
            return "test\(count)"
        }
        try run("CREATE DATABASE \(name) TEMPLATE \(original.map { Self.name(in: $0) } ?? "template1")")
        return address(of: name)
    }

    /// Removes a database of ``newDatabase(copying:)``.
    package func drop(_ address: String) throws { try run("DROP DATABASE \(Self.name(in: address)) (FORCE)") }

    /// The name of the database with that address.
    package static func name(in address: String) -> Substring {
        address.split(separator: "/").dropFirst().prefix(2).last?.prefix { $0 != "?" } ?? ""
    }

    package func address(of database: String = "postgres") -> String {
        "postgres://pollux@/\(database)?host=\(directory)"
    }

    /// The same database by PgBouncer in transaction mode.
    package func pooled(_ address: String) -> String {
        address.replacing("host=\(directory)", with: "host=\(directory)/pooler")
    }

    /// Runs SQL by a connection of its own, and returns the first column of its last statement.
    @discardableResult
    package func run(_ script: String, in address: String? = nil) throws -> [String] {
        let connection = PQconnectdb(address ?? self.address())
        defer { PQfinish(connection) }
        let result = PQexec(connection, script)
        defer { PQclear(result) }
        guard [PGRES_COMMAND_OK, PGRES_TUPLES_OK].contains(PQresultStatus(result)) else {
            throw StatementError(description: String(cString: PQerrorMessage(connection)))
        }
        return (0..<PQntuples(result)).map { String(cString: PQgetvalue(result, $0, 0)) }
    }

    /// Stops the server as a crash does, starts it again, or makes a standby the primary server.
    package func tell(_ command: Command) throws {
        try input.fileHandleForWriting.write(contentsOf: Array("\(command)\n".utf8))
        guard try Self.line(of: output) == "done" else { throw StartError() }
    }

    package enum Command { case stop, start, promote }

    private static func line(of output: Pipe) throws -> String {
        var line: [UInt8] = []
        while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }

    private struct StartError: Error {}

    private struct StatementError: Error, CustomStringConvertible { let description: String }
}
