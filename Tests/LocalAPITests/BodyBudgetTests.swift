import BoundedMemory
import HTTPTesting
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Synchronization
import Testing
import VerbatimJSON

@testable import LocalAPI

@Suite struct BodyBudgetTests {
    @Test func `a body beyond the memory budget is refused unread, and memory of handled bodies is released`()
        async throws
    {
        let budget = ByteBudget(capacity: 64 << 20)
        try await APIHarness.run(bodies: budget) { api in
            let taken = try #require(budget.reserve((64 << 20) - 10))
            let line = #"{"endpoint":"flux/images","request":{"prompt":"x"}}"#
            for type in ["application/json", "application/x-ndjson"] {
                let answer = try await api.ask(.post, "/v1/tasks", line, headers: [.contentType: type])
                #expect(answer.status == 503)
                #expect(answer.problemCode == "busy")
                #expect(answer.headers[.retryAfter] == "1")
            }
            // A request without a body is still answered.
            #expect(try await api.ask(.get, "/v1/tasks").json["tasks"]?.array?.count == 0)
            taken.release()
            for type in ["application/json", "application/x-ndjson"] {
                let answer = try await api.ask(.post, "/v1/tasks", line, headers: [.contentType: type])
                #expect((200..<300).contains(answer.status))
                #expect(budget.used == 0)
            }
        }
    }

    @Test func `long bodies leave memory for short ones`() async throws {
        let budget = ByteBudget(capacity: 64 << 20)
        try await APIHarness.run(bodies: budget) { api in
            let stalled = try #require(budget.reserve(56 << 20))
            func status(_ length: Int) async throws -> Int {
                let prompt = String(repeating: "x", count: length)
                return try await api.ask(
                    .post, "/v1/tasks", #"{"endpoint":"flux/images","request":{"prompt":"\#(prompt)"}}"#
                ).status
            }
            #expect(try await status(70_000) == 503)
            #expect(try await status(60_000) == 201)
            withExtendedLifetime(stalled) {}
        }
    }

    @Test func `a body of unknown length is counted as it arrives`() async throws {
        let budget = ByteBudget(capacity: 64 << 20)
        let stalled = try #require(budget.reserve(56 << 20))
        let counted = Mutex<[Int]>([])
        let router = Router(context: APIContext.self)
        router.add(middleware: ProblemMiddleware())
        router.add(middleware: BodyBudgetMiddleware(budget: budget))
        router.post("take") { request, _ in
            for try await part in request.body {
                #expect(part.readableBytes > 0)
                counted.withLock { $0.append(budget.used - (56 << 20)) }
            }
            return "took"
        }
        let app = Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)))
        try await app.test(.live) { client in
            try await RawClient.with(port: try #require(client.port)) { client in
                func chunk(_ bytes: Int) -> String {
                    String(bytes, radix: 16) + "\r\n" + String(repeating: "x", count: bytes) + "\r\n"
                }
                let head = "POST /take HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                try await client.send(head + chunk(10) + chunk(40_000) + chunk(0))
                #expect(try await client.read(until: "took").hasPrefix("HTTP/1.1 200"))
                #expect(counted.withLock { $0.last } == 40_010)
                try await client.send(head + chunk(70_000))
                #expect(try await client.read(until: "busy").hasPrefix("HTTP/1.1 503"))
            }
        }
        #expect(budget.used == 56 << 20)
        withExtendedLifetime(stalled) {}
    }
}
