import HTTPTesting
import NIOPosix
import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import UpstreamHTTP

/// Tests requests through a proxy that the test simulates.
@Suite(.timeLimit(.minutes(5))) struct ProxyTests {
    private func send(
        to url: String, through proxy: RawServer, port: Int? = nil, credentials: String = ""
    ) async throws -> Result<UpstreamReply, UpstreamTransportError> {
        let address = "http://\(credentials)127.0.0.1:\(port ?? proxy.port)"
        let transport = UpstreamHTTP(
            accounts: Current(always: ["testing": UpstreamHTTP.Access(baseURL: url, token: "secret-token")]),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            connections: UpstreamHTTP.Connections(
                proxies: try ProxySettings(environment: ["HTTP_PROXY": address, "HTTPS_PROXY": address])),
            now: { Timestamp(milliseconds: 1_795_442_709_000) })
        let request = UpstreamRequest(method: "POST", path: "/make?a=1", body: Array("{}".utf8))
        let result: Result<UpstreamReply, UpstreamTransportError>
        do throws(UpstreamTransportError) {
            result = .success(
                try await transport.send(request, by: "testing", isPaid: true, timeout: .seconds(20)))
        } catch {
            result = .failure(error)
        }
        try await transport.shutdown()
        return result
    }

    @Test func `a plain request sends its whole URL to the proxy`() async throws {
        let proxy = try await RawServer.start { _ in .reply(RawServer.http(body: #"{"id":"r-1"}"#)) }
        let result = try await send(to: "http://api.invalid:81/v1", through: proxy, credentials: "me:pw@")
        #expect(try result.get().status == 200)
        let request = try #require(proxy.requests.first)
        #expect(request.hasPrefix("POST http://api.invalid:81/v1/make?a=1 HTTP/1.1\r\n"))
        #expect(request.lowercased().contains("\r\nhost: api.invalid:81\r\n"))
        #expect(request.lowercased().contains("\r\nauthorization: bearer secret-token\r\n"))
        #expect(request.contains("\r\nProxy-Authorization: Basic bWU6cHc=\r\n"))
        #expect(proxy.requests.count == 1)
        try await proxy.stop()
    }

    @Test func `a proxy that rejects the credentials sent nothing`() async throws {
        let proxy = try await RawServer.start { _ in .reply(RawServer.http("407 Proxy Authentication Required")) }
        for url in ["http://api.invalid/v1", "https://api.invalid/v1"] {
            let result = try await send(to: url, through: proxy, credentials: "me:hunter2@")
            guard case .failure(.notSent(let reason)) = result else { Issue.record("\(result)"); return }
            #expect(reason.contains("the proxy 127.0.0.1:\(proxy.port)") && reason.contains("rejected the credentials"))
            #expect(!reason.contains("hunter2"))
        }
        try await proxy.stop()
    }

    @Test func `a rejected tunnel transmits nothing of the request`() async throws {
        let proxy = try await RawServer.start { _ in .reply(RawServer.http("403 Forbidden", body: "")) }
        let result = try await send(to: "https://api.invalid/v1", through: proxy)
        guard case .failure(.notSent(let reason)) = result else { Issue.record("\(result)"); return }
        #expect(reason.contains("no connection through"))
        #expect(proxy.requests.allSatisfy { $0.hasPrefix("CONNECT api.invalid:443 ") && !$0.contains("secret-token") })
        try await proxy.stop()
    }

    @Test func `the error names an unreachable proxy`() async throws {
        let proxy = try await RawServer.start { _ in .hang }
        let port = proxy.port
        try await proxy.stop()
        let result = try await send(to: "http://api.invalid/v1", through: proxy, port: port)
        guard case .failure(.notSent(let reason)) = result else { Issue.record("\(result)"); return }
        #expect(reason.contains("the proxy 127.0.0.1:\(port) (HTTP_PROXY)"))
    }

    @Test func `loopback addresses bypass the proxy`() async throws {
        let proxy = try await RawServer.start { _ in .hang }
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        #expect(try await send(to: server.url, through: proxy).get().status == 200)
        #expect(proxy.connections == 0)
        try await server.stop()
        try await proxy.stop()
    }
}
