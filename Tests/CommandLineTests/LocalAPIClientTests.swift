import Foundation
import Hummingbird
import LocalAPIContract
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import Testing
import VerbatimJSON

@testable import LocalAPIClient

@Suite(.timeLimit(.minutes(5))) struct LocalAPIClientTests {
    @Test func `a query contains only the filters that are set`() {
        #expect(TaskQuery().text == "")
        let query = TaskQuery(
            states: ["running", "queued"], endpoints: ["suno/audios"], labels: ["b": "x y", "a": "1:2"],
            createdAfter: "2026-11-23T14:00:00+02:00", limit: 5, cursor: "c=")
        #expect(
            query.text
                == "?state=running%2Cqueued&endpoint=suno%2Faudios&label=a%3A1%3A2&label=b%3Ax%20y"
                + "&created_after=2026-11-23T14%3A00%3A00%2B02%3A00&limit=5&cursor=c%3D")
    }

    @Test func `a missing socket fails at once with "no daemon"`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "none-\(UUID().uuidString)").path
        let error = await #expect(throws: LocalAPIClientError.self) {
            try await LocalAPIClient.with(socketPath: path) { _ = try await $0.status() }
        }
        #expect(error == .noDaemon(socketPath: path, reason: "there is no such socket"))
    }

    @Test func `a path too long for a socket fails with "no daemon"`() async throws {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        let error = await #expect(throws: LocalAPIClientError.self) {
            try await LocalAPIClient.with(socketPath: path) { _ = try await $0.status() }
        }
        guard case .noDaemon? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    // MARK: Many submissions

    private func documents(_ count: Int) -> [SubmitDocument] {
        (0..<count).map { SubmitDocument(endpoint: "flux/images", request: [:], idempotencyKey: "k\($0)") }
    }

    /// The reply to lines with these keys: for each a task whose id is the key, or a problem.
    private static func reply(_ keys: [String], problem: String? = nil, announcing length: Int? = nil) -> String {
        let body = keys.map { key in
            key == problem
                ? #"{"status":422,"code":"invalid_field","title":"t","detail":"d"}"#
                : #"{"id":"\#(key)","endpoint":"flux/images","state":"queued","created_at":"2026-11-23T14:00:00.000Z"}"#
        }.map { $0 + "\n" }.joined()
        return
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: \(length ?? body.utf8.count)\r\n\r\n\(body)"
    }

    private static func keys(in request: FakeDaemon.Request) -> [String] {
        request.lines.compactMap { (try? JSONValue(parsing: $0))?["idempotency_key"]?.string }
    }

    private func words(_ answer: BatchLine) -> String {
        switch answer {
        case .task(let task): task.id
        case .problem(let problem): problem.code
        }
    }

    @Test func `many submissions go in one request and are answered in order`() async throws {
        let daemon = try FakeDaemon(requests: 1) { _, request in Self.reply(Self.keys(in: request), problem: "k1") }
        var answers: [String] = []
        try await LocalAPIClient.with(socketPath: daemon.path) { client in
            try await client.submitAll(documents(3)) { answer, _ in answers.append(words(answer)) }
        }
        #expect(answers == ["k0", "invalid_field", "k2"])
        #expect(daemon.requests.count == 1)
        #expect(daemon.requests[0].head.hasPrefix("POST /v1/tasks "))
        #expect(daemon.requests[0].head.lowercased().contains("content-type: application/x-ndjson"))
    }

    @Test func `only the submissions that a lost daemon did not answer are sent again`() async throws {
        let daemon = try FakeDaemon(requests: 3) { number, request in
            let keys = Self.keys(in: request)
            return switch number {
            case 1: Self.reply(Array(keys.prefix(2)), announcing: 10_000)
            // The body is complete but lacks answers.
            case 2: Self.reply(Array(keys.prefix(1)))
            default: Self.reply(keys)
            }
        }
        var answers: [String] = []
        try await LocalAPIClient.with(socketPath: daemon.path) { client in
            try await client.submitAll(documents(5)) { answer, _ in answers.append(words(answer)) }
        }
        #expect(answers == ["k0", "k1", "k2", "k3", "k4"])
        #expect(daemon.requests.map { Self.keys(in: $0).first } == ["k0", "k2", "k3"])
    }

    @Test func `a bulk request to a missing daemon, or one refused as a whole, fails without a retry`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "none-\(UUID().uuidString)").path
        let absent = await #expect(throws: LocalAPIClientError.self) {
            try await LocalAPIClient.with(socketPath: path) { try await $0.submitAll(documents(1)) { _, _ in } }
        }
        #expect(absent == .noDaemon(socketPath: path, reason: "there is no such socket"))
        let daemon = try FakeDaemon(requests: 1) { _, _ in
            let body = #"{"status":413,"code":"body_too_large","title":"t","detail":"d"}"#
            return "HTTP/1.1 413 X\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        }
        let refused = await #expect(throws: LocalAPIClientError.self) {
            try await LocalAPIClient.with(socketPath: daemon.path) { try await $0.submitAll(documents(1)) { _, _ in } }
        }
        guard case .problem(let problem)? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(problem.code == "body_too_large")
    }

    @Test(arguments: [
        (0, nil, 1_000), (400, nil, 600), (1_000, nil, nil), (2_500, nil, nil), (0, 300, 300), (300, 300, nil),
    ])
    func `requests of a wait are a second apart, or less if the wait ends sooner`(
        answeredAfter: Int, deadlineAfter: Int?, pause: Int?
    ) {
        let asked = ContinuousClock.now
        let got = LocalAPIClient.pause(
            since: asked, until: deadlineAfter.map { asked + .milliseconds($0) },
            now: asked + .milliseconds(answeredAfter))
        #expect(got == pause.map { .milliseconds($0) })
    }

    @Test func `a wait does not repeat its request at once if the daemon answers early`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "p-\(UUID().uuidString.prefix(8))").path
        let asked = Mutex(0)
        let router = Router()
        router.get("v1/tasks/{id}") { _, _ in
            asked.withLock { $0 += 1 }
            return Response(
                status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(bytes: TaskDocument.task().json.utf8)))
        }
        let (running, isRunning) = AsyncStream<Void>.makeStream()
        let app = Application(
            router: router, configuration: ApplicationConfiguration(address: .unixDomainSocket(path: path)),
            onServerRunning: { _ in isRunning.finish() })
        let services = ServiceGroup(services: [app], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            for await _ in running {}
            let answer = try await LocalAPIClient.with(socketPath: path) {
                try await $0.waitForEnd(of: "x", until: .now + .milliseconds(1_200))
            }
            #expect(answer.document.state == "running")
            await services.triggerGracefulShutdown()
        }
        // At the start, after a second, and at the end. Fewer on a busy machine.
        #expect((1...3).contains(asked.withLock { $0 }))
    }

    @Test func `a wait fails if the daemon is away longer than the client's patience`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "none-\(UUID().uuidString)").path
        let error = await #expect(throws: LocalAPIClientError.self) {
            try await LocalAPIClient.with(socketPath: path, patience: .zero) { _ = try await $0.waitForEnd(of: "x") }
        }
        #expect(error?.isDaemonAway == true)
    }

    @Test func `the patience counts from when the daemon was last there`() async throws {
        let tries = Mutex(0)
        let path = FileManager.default.temporaryDirectory.path() + "/none.sock"
        let answer = try await LocalAPIClient.with(socketPath: path, patience: .seconds(3)) { client in
            try await client.retryingWhileAway { () async throws(LocalAPIClientError) -> String in
                let count = tries.withLock { tries in
                    tries += 1
                    return tries
                }
                switch count {
                case 1:
                    // A long wait, in which the daemon is killed.
                    do { try await Task.sleep(for: .milliseconds(3_200)) } catch { throw .cancelled }
                    throw .interrupted("it went away")
                case 2: throw .noDaemon(socketPath: path, reason: "not yet")
                default: return "there"
                }
            }
        }
        #expect(answer == "there")
    }
}
