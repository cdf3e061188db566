import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import PollingPolicy
import ProviderCatalog
import SQLiteDriver
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import UpstreamHTTP
import VerbatimJSON

/// Measures status queries with every result committed. It compares them with a bare client that sends the same queries
/// to the same sandbox and drops the replies.
struct PollBenchmarks {
    let place: Place
    let report: Report

    private static let inFlight = 64

    func run() async throws {
        let port = try RawSocket.freePort()
        let sandbox = try ServerProcess(place.pollux, ["sandbox", "--port", "\(port)", "--seed", "1"])
        defer { sandbox.stop() }
        let client = LoadGenerator(target: .tcp(port: port), framing: .http, connections: 16, expecting: "HTTP/1.1 200")
        try sandbox.ready {
            guard let fd = try? client.connected() else { return false }
            close(fd)
            return true
        }
        let ids = try submitted(to: client, count: place.isQuick ? 500 : 2_000)
        for batch in [1, 50] { try await compare(batch: batch, ids: ids, baseURL: "http://127.0.0.1:\(port)/v1") }
    }

    /// Submits tasks that run for a day.
    private func submitted(to client: LoadGenerator, count: Int) throws -> [RemoteTaskID] {
        let body = #"{"action":"text2video","prompt":"A paper boat [seconds=86400]","async":true}"#
        let head =
            "POST /v1/kling/videos HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer benchmark\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        var ids: [RemoteTaskID] = []
        let outcome = try client.run(count) { answer in
            let text = String(decoding: answer, as: UTF8.self)
            if let found = text.firstMatch(of: /"task_id":\s*"([^"]+)"/), let id = RemoteTaskID(String(found.1)) {
                ids.append(id)
            }
        } request: { _ in
            Array((head + body).utf8)
        }
        guard outcome.refused == 0, ids.count == count else { throw BenchmarkError("the sandbox took \(ids.count)") }
        return ids
    }

    private func compare(batch: Int, ids: [RemoteTaskID], baseURL: String) async throws {
        let catalog = try ProviderCatalog(
            definitions: [
                (
                    "benchmark.yaml",
                    """
                    provider: benchmark
                    default: true
                    max_requests_per_second: 10000
                    base_url: \(baseURL)
                    services:
                      kling:
                    \(batch > 1 ? "    batch_size: \(batch)" : "    listing: none")
                        endpoints:
                          videos: {}
                    """
                )
            ])
        guard let profile = catalog.endpoints.first else { throw BenchmarkError("no endpoint") }
        let requests = try stride(from: 0, to: ids.count, by: batch).compactMap { start in
            let some = Array(ids[start..<min(start + batch, ids.count)])
            return batch > 1 ? profile.batching?.lookup(some) : try profile.dialect.lookup(some[0])
        }
        let seconds = place.isQuick ? 1.0 : 4.0
        let bare = try await bareLoop(requests, baseURL: baseURL, seconds: seconds)
        let ours = try await polls(ids, catalog: catalog, endpoint: profile.name, baseURL: baseURL, seconds: seconds)
        let words = batch == 1 ? "one task each" : "\(batch) tasks each"
        report.add("bare: client loop against the sandbox, \(words)", bare, "/s")
        report.add("polls with every result committed, \(words)", ours, "/s", limit: bare, of: "bare loop", bar: 0.6)
    }

    private func bareLoop(_ requests: [UpstreamRequest], baseURL: String, seconds: Double) async throws -> Double {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.inFlight
        configuration.httpVersion = .http1Only
        let client = HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
        let end = Clock.nanoseconds + UInt64(seconds * 1e9)
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for lane in 0..<Self.inFlight {
                group.addTask {
                    var count = 0
                    var next = lane
                    while Clock.nanoseconds < end {
                        let request = requests[next % requests.count]
                        next += Self.inFlight
                        var sent = HTTPClientRequest(url: baseURL + request.path)
                        sent.method = .POST
                        sent.headers.add(name: "Authorization", value: "Bearer benchmark")
                        sent.headers.add(name: "Content-Type", value: "application/json")
                        sent.body = .bytes(request.body ?? [])
                        let answer = try await client.execute(sent, timeout: .seconds(10))
                        _ = try await answer.body.collect(upTo: 32 << 20)
                        guard answer.status == .ok else { throw BenchmarkError("the sandbox said \(answer.status)") }
                        count += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        try await client.shutdown()
        return Double(count) / seconds
    }

    private func polls(
        _ ids: [RemoteTaskID], catalog: ProviderCatalog, endpoint: EndpointName, baseURL: String, seconds: Double
    ) async throws -> Double {
        let path = try place.directory("polls-\(UInt32.random(in: 0...UInt32.max))") + "/pollux.sqlite"
        let database = try SQLiteDriver.open(path: path)
        let store = TaskStore(database)
        let now = Timestamp(Date())
        var random = SystemRandomNumberGenerator()
        for id in ids {
            var task = TrackedTask(
                id: TaskID(at: now, using: &random), endpoint: endpoint, state: .running, createdAt: now,
                onUncertain: .hold, remoteID: id)
            task.submittedAt = now
            _ = try await store.insert(NewTask(task: task, payload: TaskPayload(request: .null)))
        }
        let access = UpstreamHTTP.Access(baseURL: baseURL, token: "benchmark")
        let http = UpstreamHTTP(
            accounts: Current(
                always: Dictionary(
                    uniqueKeysWithValues: catalog.providers.map { (ProviderAccount(provider: $0.name), access) })),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            now: { Timestamp(Date()) })
        let meter = MeteredTransport(http)
        var limits = SchedulerBenchmarks.limits
        limits.pollsInParallel = Self.inFlight
        let engine = try await TaskEngine(
            store: store, catalog: catalog, transport: meter, limits: limits,
            polling: PollingPolicy(minGap: .milliseconds(1), maxGap: .milliseconds(1)), accounts: { _ in [Account()] },
            time: WallTime(), random: EngineRandom(SystemRandomNumberGenerator()),
            logger: Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() })
        let scheduler = engine.scheduler
        let running = Task { try await scheduler.run() }
        try await Task.sleep(for: .seconds(seconds / 4))
        let (before, began) = (meter.answered, Clock.nanoseconds)
        try await Task.sleep(for: .seconds(seconds))
        let rate = Double(meter.answered - before) / (Double(Clock.nanoseconds - began) / 1e9)
        running.cancel()
        _ = await running.result
        try await http.shutdown()
        try database.close()
        return rate
    }
}

/// The wall clock.
struct WallTime: TimeSource {
    func now() -> Timestamp { Timestamp(Date()) }
    func elapsed() -> Duration { .nanoseconds(Int64(clamping: Clock.nanoseconds)) }
    func sleep(until point: Timestamp) async { try? await Task.sleep(for: max(point - now(), .zero)) }
}

/// Counts good replies.
final class MeteredTransport: UpstreamTransport {
    private let transport: any UpstreamTransport
    private let count = Mutex(0)

    init(_ transport: any UpstreamTransport) { self.transport = transport }

    var answered: Int { count.withLock { $0 } }

    func roomForPaidReply() -> ReplyRoom? { transport.roomForPaidReply() }

    func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let reply = try await transport.send(request, by: account, isPaid: isPaid, timeout: timeout)
        if reply.status == 200 { count.withLock { $0 += 1 } }
        return reply
    }
}
