import Foundation
import Logging
import ProviderCatalog
import SQLiteDriver
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests tasks with unrecognised records, with the real engine on a new database.
@Suite struct UnrecognisedTests {
    @Test func `a task with unrecognised records is polled ever more slowly and is reported once`() async throws {
        let world = try await World()
        let task = try await world.track("a")
        var gaps: [Duration] = []
        for _ in 1...12 {
            let due = try await world.poll(task)
            gaps.append(due - world.time.now())
        }
        #expect(gaps.suffix(4).allSatisfy { $0 == .seconds(600) }, "\(gaps)")
        #expect(gaps.allSatisfy { $0 <= .seconds(600) }, "\(gaps)")
        let stored = try await world.engine.service.task(task)
        #expect(stored.task.state == .running)
        #expect(stored.payload.response == world.provider.record)
        let report = try await world.report()
        #expect(report.unrecognised?.count == 12)
        #expect(report.unrecognised?.lastShape == #"{id,state="exploded"}"#)
        #expect(world.warnings.withLock { $0.filter { $0.contains("no rule understands") }.count } == 1)
        #expect(await world.engine.service.forecast(of: stored.task).waitingFor?.code == "unrecognised_record")
    }

    @Test func `a status word in another case ends the task and is logged once`() async throws {
        let world = try await World(definition: DefinitionText.mine)
        for name in ["a", "b"] {
            world.provider.setRecord(["id": .string(name), "state": "SUCCEEDED"])
            let task = try await world.track(name, endpoint: "mine:make")
            // The provider allows two queries a second.
            world.time.set(world.time.now() + .seconds(2))
            await world.pollOnce(task)
            #expect(try await world.engine.service.task(task).task.state == .succeeded)
        }
        #expect(world.warnings.withLock { $0.filter { $0.contains("sent \"SUCCEEDED\"") }.count } == 1)
    }

    @Test func `a recognised record restores the usual pace, and a success ends the task`() async throws {
        let world = try await World()
        let task = try await world.track("a")
        for _ in 1...10 { _ = try await world.poll(task) }
        world.provider.setRecord(["id": "a", "state": "running"])
        #expect(try await world.poll(task) - world.time.now() <= .seconds(60))
        #expect(
            await world.engine.service.forecast(of: try await world.engine.service.task(task).task).waitingFor == nil)
        world.provider.setRecord(["id": "a", "state": "succeeded", "image_url": "https://x/1.png"])
        await world.pollOnce(task)
        #expect(try await world.engine.service.task(task).task.state == .succeeded)
    }

    @Test func `an endpoint with recognised records reports none`() async throws {
        let world = try await World()
        world.provider.setRecord(["id": "a", "state": "running"])
        let task = try await world.track("a")
        _ = try await world.poll(task)
        #expect(try await world.report().unrecognised == nil)
    }
}

/// An engine with a settable clock and a provider that always returns the same record.
private struct World {
    let engine: TaskEngine
    let time = SettableClock()
    let provider = RepeatingTransport()
    let warnings: Warnings
    private let directory: TemporaryDirectory

    init(definition: String? = nil) async throws {
        directory = try TemporaryDirectory()
        let warnings = Warnings()
        self.warnings = warnings
        engine = try await TaskEngine(
            store: TaskStore(try SQLiteDriver.open(path: directory.file("pollux.sqlite"))),
            catalog: try ProviderCatalog.builtIn(adding: definition.map { [("mine.yaml", $0)] } ?? []),
            transport: provider, accounts: { _ in [Account()] }, time: time,
            random: EngineRandom(SystemRandomNumberGenerator()),
            logger: Logger(label: "test") { _ in WarningRecorder(warnings: warnings) })
        // A start has no budget.
        time.set(time.now() + .seconds(1))
    }

    func track(_ remoteID: String, endpoint: String = "flux/images") async throws -> TaskID {
        let (stored, _) = try await engine.service.adopt(
            endpoint: endpoint, remoteID: remoteID, labels: [:], priority: 0, deadline: nil)
        return stored.task.id
    }

    /// Polls when the task is due and returns its next due time.
    func poll(_ task: TaskID) async throws -> Timestamp {
        await pollOnce(task)
        return try #require(try await engine.service.task(task).task.nextDueAt)
    }

    func pollOnce(_ task: TaskID) async {
        do {
            if let due = try await engine.service.task(task).task.nextDueAt { time.set(max(due, time.now())) }
            _ = try await engine.scheduler.step()
        } catch {
            Issue.record("\(error)")
        }
    }

    func report() async throws -> EndpointReport {
        try #require(try await engine.endpoints.endpoints().first { $0.name.text == "flux/images" })
    }
}

private final class RepeatingTransport: UpstreamTransport {
    private let current = Mutex<JSONValue>(["id": "a", "state": "exploded"])

    var record: JSONValue { current.withLock { $0 } }

    func setRecord(_ record: JSONValue) { current.withLock { $0 = record } }

    func roomForPaidReply() -> ReplyRoom? { ReplyRoom() }

    func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        UpstreamReply(status: 200, body: record.utf8)
    }
}

private final class SettableClock: TimeSource {
    private let shown = Mutex(Timestamp(milliseconds: 1_795_000_000_000))

    func now() -> Timestamp { shown.withLock { $0 } }

    func elapsed() -> Duration { now() - Timestamp(milliseconds: 0) }

    func set(_ point: Timestamp) { shown.withLock { $0 = point } }

    func sleep(until point: Timestamp) async { set(max(point, now())) }
}

private final class Warnings: Sendable {
    private let lines = Mutex<[String]>([])

    func withLock<Value>(_ body: (inout sending [String]) -> sending Value) -> Value { lines.withLock(body) }
}

private struct WarningRecorder: LogHandler {
    let warnings: Warnings
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    init(warnings: Warnings) {
        self.warnings = warnings
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        warnings.withLock { $0.append(event.message.description) }
    }
}
