import Foundation
import PostgresDriver
import PostgresTesting
import Synchronization
import TaskModel
import TaskStore

/// Measures the store on PostgreSQL beside pgbench, and several daemons on one database.
struct PostgresBenchmarks {
    let place: Place
    let report: Report

    func run() async throws {
        guard PostgresServer.isInstalled, let pgbench = Pgbench() else {
            return report.skip("postgres: submits", PostgresServer.howToInstall)
        }
        let server = try PostgresServer([
            "-c", "fsync=on", "-c", "logging_collector=on", "-c", "log_destination=jsonlog",
        ])
        defer { server.stop() }
        let template = try server.newDatabase()
        try await PostgresDriver.open(PostgresAddress(template)).close()
        let script = place.scratch + "/submit.pgbench"
        try await RecordedSubmit(on: server, copying: template).script
            .write(toFile: script, atomically: true, encoding: .utf8)
        for (clients, count) in [(1, place.isQuick ? 500 : 5_000), (64, place.isQuick ? 2_000 : 20_000)] {
            let bare = try pgbench.transactions(
                count, by: clients, of: script, in: PostgresServer.name(in: server.newDatabase(copying: template)),
                at: server.directory)
            report.add("postgres: pgbench, the statements of a submit, \(clients) client(s)", bare, "/s")
            let driver = try PostgresDriver.open(PostgresAddress(server.newDatabase(copying: template)))
            let seconds = try await StoreLoad(tasks: count, at: Timestamp(Date())).seconds(
                on: TaskStore(driver), lanes: clients)
            await driver.close()
            report.add(
                "postgres: submits at the store, \(clients) client(s)", Double(count) / seconds, "/s", limit: bare,
                of: "pgbench", bar: 0.5)
        }
        for number in 1...3 { try submits(at: number, on: server.newDatabase(copying: template)) }
    }

    /// Measures 64 clients, which are spread over that many daemons.
    private func submits(at number: Int, on address: String) throws {
        let daemons = try (0..<number).map { index in
            try DaemonProcess(
                place, state: try place.directory("postgres-\(number)-\(index)"), baseURL: "http://127.0.0.1:9/v1",
                token: false, settings: ["POLLUX_STORE": address])
        }
        defer { for daemon in daemons { daemon.server.stop() } }
        let submit = HTTPText.request("POST", "/v1/tasks", SocketBenchmarks.body)
        let clients = daemons.map { $0.client(64 / number, expecting: "HTTP/1.1 201") }
        let count = (place.isQuick ? 2_000 : 20_000) / number
        let refused = Mutex(0)
        let began = Clock.nanoseconds
        DispatchQueue.concurrentPerform(iterations: number) { index in
            let outcome = try? clients[index].run(count) { _ in submit }
            refused.withLock { $0 += outcome?.refused ?? count }
        }
        let rate = Double(count * number) / (Double(Clock.nanoseconds - began) / 1e9)
        guard refused.withLock({ $0 }) == 0 else { throw BenchmarkError("submissions were refused") }
        report.add("postgres: durable submits, 64 clients at \(number) daemon(s)", rate, "/s")
    }
}

/// The transaction of one submission, as the server has logged it.
private struct RecordedSubmit {
    /// A script of pgbench with the same statements, sent in one pipeline. Only the id and the numbers of the rows differ.
    let script: String

    /// Distinctive numbers for the new rows.
    private static let last = (task: 7_110_000_000, event: 8_220_000_000)

    init(on server: PostgresServer, copying template: String) async throws {
        let address = try server.newDatabase(copying: template)
        try server.run("ALTER DATABASE \(PostgresServer.name(in: address)) SET log_statement = 'all'")
        try server.run(
            "UPDATE log_counter SET last_task = \(Self.last.task), last_event = \(Self.last.event)", in: address)
        let load = try StoreLoad(tasks: 1, at: Timestamp(Date()))
        let driver = try PostgresDriver.open(PostgresAddress(address))
        _ = try await load.seconds(on: TaskStore(driver), lanes: 1)
        await driver.close()
        let logged = try Self.statements(in: server.directory + "/data/log")
        let insertion = logged.firstIndex { $0.hasPrefix("INSERT INTO task (") }
        guard let insertion, let begin = logged[..<insertion].lastIndex(where: { $0.hasPrefix("BEGIN") }),
            let end = logged[insertion...].firstIndex(of: "COMMIT")
        else { throw BenchmarkError("the server has not logged the submission") }
        let id = "('01a20915-0000-7000-8000-' || lpad(to_hex(CAST(:task AS BIGINT)), 12, '0'))"
        let statements = logged[begin...end].map { statement in
            statement.replacing("'\(load.ids[0])'", with: id).replacing("'\(Self.last.task + 1)'", with: ":task")
                .replacing("'\(Self.last.event + 1)'", with: ":event")
        }
        guard statements.contains(where: { $0.contains(":task") && $0.contains(":event") }) else {
            throw BenchmarkError("the logged submission has other numbers")
        }
        script = """
            \\set task random(1, 200000000000000)
            \\set event random(1, 9000000000000000)
            \\startpipeline
            \(statements.map { $0 + ";" }.joined(separator: "\n"))
            \\endpipeline

            """
    }

    private struct Line: Decodable {
        let message: String
        let detail: String?
    }

    /// The logged statements with their values in place, each on one line.
    private static func statements(in directory: String) throws -> [String] {
        let files = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".json") }
            .sorted()
        let lines = try files.flatMap { file in
            try String(contentsOfFile: directory + "/" + file, encoding: .utf8).split(separator: "\n")
        }
        return try lines.compactMap { line in
            let line = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
            guard let found = line.message.wholeMatch(of: /(?:statement|execute [^:]*): (?<text>[\s\S]*)/) else {
                return nil
            }
            var values: [String: String] = [:]
            for value in (line.detail ?? "").matches(of: /\$(?<number>\d+) = (?<value>NULL|'(?:[^']|'')*')/) {
                values[String(value.number)] = String(value.value)
            }
            let text = String(found.text).replacing("\n", with: " ")
            return text.replacing(/\$(?<number>\d+)/) { match in values[String(match.number)] ?? String(match.0) }
        }
    }
}

/// PostgreSQL's own benchmark program (https://www.postgresql.org/docs/15/pgbench.html).
private struct Pgbench {
    private let path: String

    /// Nil if it is not installed.
    init?() {
        let root = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        let newest = versions.max { $0.compare($1, options: .numeric) == .orderedAscending }
        guard let newest else { return nil }
        path = "\(root)/\(newest)/bin/pgbench"
    }

    /// The rate of transactions per second.
    func transactions(
        _ count: Int, by clients: Int, of script: String, in database: Substring, at directory: String
    ) throws -> Double {
        let process = Process()
        process.executableURL = URL(filePath: path)
        process.arguments = [
            "--no-vacuum", "--protocol=prepared", "--client=\(clients)", "--jobs=\(min(clients, 2))",
            "--transactions=\(count / clients)", "--file=\(script)", "--host=\(directory)", "--username=pollux",
            String(database),
        ]
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0, let found = text.firstMatch(of: /tps = ([\d.]+)/),
            let rate = Double(found.1)
        else {
            let message = errors.fileHandleForReading.availableData
            throw BenchmarkError("pgbench: \(String(decoding: message, as: UTF8.self))")
        }
        return rate
    }
}
