import Foundation
import PostgresTesting
import Synchronization
import TaskModel
import Testing
import VerbatimJSON

@testable import PostgresDriver
@testable import TaskStore

/// Tests group commits, several machines on one database, and the loss of connections.
@Suite(
    .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.howToInstall)), .timeLimit(.minutes(1)))
struct PostgresDriverTests {
    private let server: PostgresServer
    private let address: String

    init() throws {
        server = try PostgresServer.shared
        address = try server.newDatabase()
    }

    private func open(keepsStatements: Bool = true, at other: String? = nil) throws -> PostgresDriver {
        try PostgresDriver.open(PostgresAddress(other ?? address), keepsStatements: keepsStatements)
    }

    private func sql(_ script: String) throws -> [String] { try server.run(script, in: address) }

    /// Appends a line to the log. Its kind tells lines apart.
    private func append(_ kind: String, to driver: PostgresDriver) async throws {
        _ = try await driver.write(for: .write("test")) {
            try $0.append([.test(kind)])
        } committed: { _ in
        }
    }

    /// Takes the lock of the writers, which the end of the transaction releases.
    private func locked() throws -> PostgresConnection {
        let holder = try PostgresConnection(
            PostgresOptions(address: PostgresAddress(address), keepsStatements: true))
        try holder.beginPipeline()
        try holder.beginWrite()
        try holder.finish()
        return holder
    }

    /// Returns once so many sessions of the database wait for a lock.
    private func waiters(_ count: Int) async throws {
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while try sql(waiting).count < count {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    // MARK: Group commit

    @Test func `writes that arrive during a commit share the next one`() async throws {
        let driver = try open()
        let order = Shared<[Int64]>([])
        let lock = try locked()
        try await withThrowingTaskGroup { group in
            for number in 0..<20 {
                group.addTask {
                    _ = try await driver.write(for: .write("test")) {
                        try $0.append([.test("\(number)")])
                    } committed: { places in
                        order.withLock { $0 += places }
                    }
                }
            }
            try await waiters(1)
            // The first write has its group; the others come meanwhile.
            try await Task.sleep(for: .milliseconds(200))
            lock.rollBack()
            try await group.waitForAll()
        }
        #expect(order.withLock { $0 } == Array(1...20))
        let commits = try sql("SELECT DISTINCT xmin FROM event").count
        // A group is closed after some time, and a busy machine may be slow to fill it.
        #expect((1...10).contains(commits))
        await driver.close()
    }

    @Test func `only the write that fails is undone`() async throws {
        let driver = try open()
        let failures = Shared(0)
        let lock = try locked()
        try await withThrowingTaskGroup { group in
            for number in 0..<9 {
                group.addTask { [self] in
                    guard number % 3 == 1 else { return try await append("\(number)", to: driver) }
                    do {
                        try await driver.write(for: .write("test")) { transaction in
                            _ = try transaction.append([.test("undone")])
                            if number > 1 { throw TaskStoreError.restored }
                            // An error of the server, which comes with the commit.
                            try transaction.insert([NewKey(task: 99, key: "k", fingerprint: [1])])
                        } committed: { _ in
                        }
                    } catch {
                        failures.withLock { $0 += 1 }
                    }
                }
            }
            try await waiters(1)
            try await Task.sleep(for: .milliseconds(200))
            lock.rollBack()
            try await group.waitForAll()
        }
        #expect(failures.withLock { $0 } == 3)
        #expect(try Set(sql("SELECT kind FROM event")) == ["0", "2", "3", "5", "6", "8"])
        #expect(try sql("SELECT last_event FROM log_counter") == ["6"])
        await driver.close()
    }

    @Test func `a cancelled caller's write is stored`() async throws {
        let driver = try open()
        let task = Task { [self] in
            while !Task.isCancelled { await Task.yield() }
            try await append("x", to: driver)
        }
        task.cancel()
        try await task.value
        #expect(try sql("SELECT kind FROM event") == ["x"])
        await driver.close()
    }

    // MARK: Several machines

    @Test func `machines that read before they write lose no change`() async throws {
        let drivers = try (0..<3).map { _ in try open() }
        try await withThrowingTaskGroup { group in
            for driver in drivers {
                for _ in 0..<40 {
                    group.addTask {
                        try await driver.write(for: .write("test")) { transaction in
                            let count = try transaction.meta()[.leaseEnds].flatMap { Int($0) } ?? 0
                            try transaction.put(.leaseEnds, "\(count + 1)")
                        } committed: { _ in
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try sql("SELECT value FROM meta") == ["120"])
        for driver in drivers { await driver.close() }
    }

    @Test func `a reader of the log skips no line of another machine`() async throws {
        let drivers = try (0..<3).map { _ in try open() }
        let total: Int64 = 150
        try await withThrowingTaskGroup { group in
            for driver in drivers {
                for number in 0..<(total / 3) { group.addTask { [self] in try await append("\(number)", to: driver) } }
            }
            var seen: Int64 = 0
            while seen < total {
                let place = seen
                let lines = try await drivers[0].read(for: .read("test"), .statement) {
                    try $0.events(of: nil, after: place, limit: 1_000)
                }
                #expect(lines.map(\.sequence) == Array((place + 1)..<(place + 1 + Int64(lines.count))))
                seen += Int64(lines.count)
            }
            try await group.waitForAll()
        }
        for driver in drivers { await driver.close() }
    }

    @Test func `a process that stops inside a transaction does not hold up the others`() async throws {
        let (stopped, other) = (try open(), try open())
        let runs = Shared(0)
        let (isInside, othersAreDone) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        async let late: Void = stopped.write(for: .write("test")) { transaction in
            _ = try transaction.append([.test("late")])
            runs.withLock { $0 += 1 }
            if runs.withLock({ $0 == 1 }) {
                isInside.signal()
                othersAreDone.wait()
            }
        } committed: { _ in
        }
        await Task.detached { isInside.wait() }.value
        // The server ends the first session after two seconds.
        try await append("other", to: other)
        othersAreDone.signal()
        try await late
        #expect(runs.withLock { $0 } == 2)
        #expect(try sql("SELECT kind FROM event ORDER BY sequence") == ["other", "late"])
        for driver in [stopped, other] { await driver.close() }
    }

    @Test func `a snapshot does not change while it is read`() async throws {
        let driver = try open()
        try await append("before", to: driver)
        let counts = try await driver.read(for: .read("test"), .snapshot) { [self] snapshot in
            let first = try snapshot.events(of: nil, after: 0, limit: 9).count
            _ = try sql("INSERT INTO event (sequence, at_ms, kind, detail) VALUES (99, 1, 'x', '{}')")
            return [first, try snapshot.events(of: nil, after: 0, limit: 9).count]
        }
        #expect(counts == [1, 1])
        await driver.close()
    }

    // MARK: Lost connections

    /// Ends the sessions of the drivers on this database.
    private func endSessions() throws {
        _ = try sql(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
    }

    @Test func `work continues on a new connection after the server ended the old one`() async throws {
        let driver = try open()
        try await append("1", to: driver)
        _ = try await driver.info()
        try endSessions()
        try await append("2", to: driver)
        let lines = try await driver.read(for: .read("test"), .statement) { try $0.events(of: nil, after: 0, limit: 9) }
        #expect(lines.map(\.kind) == ["1", "2"])
        #expect(await driver.condition() == .sound)
        await driver.close()
    }

    @Test func `a transaction whose session ended before the commit runs again`() async throws {
        let driver = try open()
        let runs = Shared(0)
        try await driver.write(for: .write("test")) { [self] transaction in
            _ = try transaction.append([.test("x")])
            _ = try transaction.meta()
            runs.withLock { $0 += 1 }
            if runs.withLock({ $0 == 1 }) { try endSessions() }
        } committed: { _ in
        }
        #expect(runs.withLock { $0 } == 2)
        #expect(try sql("SELECT sequence FROM event") == ["1"])
        await driver.close()
    }

    @Test func `a commit whose reply is lost is unknown and does not run again`() async throws {
        let driver = try open()
        // The commit waits for a lock that this test holds.
        _ = try sql(
            """
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON event DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION wait();
            """)
        let holder = try PostgresConnection(PostgresOptions(address: PostgresAddress(address), keepsStatements: true))
        try holder.run(script: "SELECT pg_advisory_lock(1)")
        let runs = Shared(0)
        let write = Task {
            try await driver.write(for: .write("test")) { transaction in
                runs.withLock { $0 += 1 }
                _ = try transaction.append([.test("x")])
            } committed: { _ in
            }
        }
        try await waiters(1)
        _ = try sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        await #expect(throws: TaskStoreError.unknown) { try await write.value }
        #expect(runs.withLock { $0 } == 1)
        try holder.run(script: "SELECT pg_advisory_unlock(1)")
        try await append("y", to: driver)
        #expect(try sql("SELECT kind FROM event") == ["y"])
        await driver.close()
    }

    @Test func `without a server everything fails, and works again once there is one`() async throws {
        let server = try PostgresServer()
        let driver = try open(at: server.address())
        try await append("1", to: driver)
        try server.tell(.stop)
        await #expect(throws: TaskStoreError.self) { try await append("lost", to: driver) }
        guard case .failed(.unreachable(let text)) = await driver.condition() else {
            Issue.record("the server counts as reachable")
            return
        }
        // libpq's hints are questions.
        #expect(!text.contains("?") && !text.contains("\t"), "\(text)")
        await #expect(throws: TaskStoreError.self) { _ = try await driver.info() }
        try server.tell(.start)
        while await driver.condition() != .sound { await Task.yield() }
        try await append("2", to: driver)
        #expect(try server.run("SELECT kind FROM event ORDER BY sequence", in: server.address()) == ["1", "2"])
        await driver.close()
    }

    // MARK: Schema, errors and facts

    @Test func `several machines may open a new database at once`() async throws {
        try await withThrowingTaskGroup { group in
            for _ in 0..<4 { group.addTask { [self] in await (try open()).close() } }
            try await group.waitForAll()
        }
        #expect(try sql("SELECT name FROM schema_migration") == ["0001_create_tables"])
    }

    @Test func `a database of a later version is refused`() async throws {
        await (try open()).close()
        _ = try sql("INSERT INTO schema_migration (name) VALUES ('9999_later')")
        #expect(throws: TaskStoreError.newer) { try open() }
    }

    @Test func `the driver works behind a pooler that changes the session`() async throws {
        let drivers = try (0..<2).map { _ in try open(keepsStatements: false, at: server.pooled(address)) }
        for number in 0..<20 {
            for driver in drivers { try await append("\(number)", to: driver) }
            for driver in drivers {
                #expect(
                    try await driver.read(for: .read("test"), .snapshot) { try $0.latestEvent().sequence }
                        == Int64(2 * number + 2))
            }
        }
        for driver in drivers { await driver.close() }
    }

    @Test func `info names the database without a password`() async throws {
        let driver = try open(at: address.replacing("pollux@", with: "pollux:geheim@"))
        let info = try await driver.info()
        #expect(info.path.hasPrefix("postgres://pollux@/test") && !info.path.contains("geheim"))
        #expect(info.sizeInBytes > 1_000_000)
        try await driver.checkContents()
        let error = await #expect(throws: BackupError.self) {
            try await driver.backUp(into: "/tmp", with: nil, at: .test)
        }
        #expect(error?.message.contains("pg_basebackup") == true)
        await driver.close()
    }

    @Test(arguments: [
        ("53100", TaskStoreError.full), ("25006", .readOnly), ("42501", .readOnly), ("55P03", .locked),
        ("XX001", .damaged("it")),
    ])
    func `errors of the server tell what can be done`(state: String, expected: TaskStoreError) {
        #expect(TaskStoreError(translating: PostgresError(state: state, "it")) == expected)
    }
}

extension NewLogLine {
    fileprivate static func test(_ kind: String) -> NewLogLine {
        NewLogLine(key: nil, at: .test, kind: kind, from: nil, to: nil, detail: JSONObject())
    }
}

extension Timestamp {
    fileprivate static let test = Timestamp(milliseconds: 1)
}

/// A value that several tasks change.
private final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }

    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { value.withLock { body(&$0) } }
}
