import Foundation
import HTTPTesting
import NIOPosix
import NIOSSL
import ProviderCatalog
import TaskModel
import TaskTesting
import Testing

@testable import UpstreamHTTP

/// Tests which certificates are trusted, with a server that uses test certificates.
@Suite(.timeLimit(.minutes(5))) struct TrustTests {
    private static let now = Timestamp(milliseconds: 1_795_442_709_000)

    private static func path(_ name: String) -> String {
        (Bundle.module.resourceURL?.appending(path: "Fixtures/\(name).pem").path) ?? ""
    }

    private static func file(_ name: String) throws -> TrustSettings.File {
        let contents = try Data(contentsOf: URL(filePath: path(name)))
        return TrustSettings.File(setting: "upstream.ca_file", path: path(name), contents: Array(contents))
    }

    private static func ours() throws -> TrustSettings {
        try TrustSettings(systemFile: nil, addedFile: try file("authority"))
    }

    private static func server(_ certificate: String) async throws -> RawServer {
        let chain = try NIOSSLCertificate.fromPEMFile(path(certificate))
        let key = try NIOSSLPrivateKey(file: path("key"), format: .pem)
        let tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        return try await RawServer.start(tls: try NIOSSLContext(configuration: tls)) { _ in
            .reply(RawServer.http(body: #"{"id":"r-1"}"#))
        }
    }

    private func send(
        to url: String, trust: TrustSettings, proxy: String? = nil, isPaid: Bool = true
    ) async throws -> Result<UpstreamReply, UpstreamTransportError> {
        let transport = UpstreamHTTP(
            accounts: Current(always: ["testing": UpstreamHTTP.Access(baseURL: url, token: "secret-token")]),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            connections: UpstreamHTTP.Connections(
                proxies: try ProxySettings(environment: [:], setting: proxy), trust: trust),
            now: { Self.now })
        let request = UpstreamRequest(method: "POST", path: "/make", body: Array("{}".utf8))
        let result: Result<UpstreamReply, UpstreamTransportError>
        do throws(UpstreamTransportError) {
            result = .success(
                try await transport.send(request, by: "testing", isPaid: isPaid, timeout: .seconds(20)))
        } catch {
            result = .failure(error)
        }
        try await transport.shutdown()
        return result
    }

    @Test func `a certificate of an added authority is trusted`() async throws {
        let server = try await Self.server("valid")
        #expect(try await send(to: "https://localhost:\(server.port)", trust: Self.ours()).get().status == 200)
        try await server.stop()
    }

    @Test func `SSL_CERT_FILE replaces the system's authorities`() async throws {
        let server = try await Self.server("valid")
        let trust = try TrustSettings(systemFile: try Self.file("authority"), addedFile: nil)
        #expect(try await send(to: "https://localhost:\(server.port)", trust: trust).get().status == 200)
        let other = try TrustSettings(systemFile: try Self.file("other"), addedFile: nil)
        let result = try await send(to: "https://localhost:\(server.port)", trust: other)
        guard case .failure(.notSent) = result else { Issue.record("\(result)"); return }
        try await server.stop()
    }

    @Test(
        arguments: [
            ("valid", false, "no certificate authority that is trusted here has signed it"),
            ("expired", true, "it expired at 2020-01-01T00:00:00.000Z"),
            ("expired", false, "it expired at 2020-01-01T00:00:00.000Z"),
            ("early", true, "it is not valid before 2100-01-01T00:00:00.000Z"),
            ("other", true, "it is for another name"),
        ], [true, false])
    func `a certificate that is not trusted is reported with the reason, and nothing was sent`(
        certificate: (name: String, isOurs: Bool, reason: String), isPaid: Bool
    ) async throws {
        let server = try await Self.server(certificate.name)
        let trust = certificate.isOurs ? try Self.ours() : .system
        let result = try await send(to: "https://localhost:\(server.port)", trust: trust, isPaid: isPaid)
        guard case .failure(.notSent(let words)) = result else { Issue.record("\(result)"); return }
        #expect(words.hasPrefix("the certificate of localhost is not trusted: \(certificate.reason)"), "\(words)")
        #expect(!words.contains("/") && !words.contains("file:"))
        #expect(server.requests.isEmpty)
        try await server.stop()
    }

    @Test func `a proxy's tunnel leads to a trusted server, also on loopback if the setting names the proxy`()
        async throws
    {
        let server = try await Self.server("valid")
        let proxy = try await ConnectProxy.start()
        let url = "https://localhost:\(server.port)"
        let result = try await send(to: url, trust: Self.ours(), proxy: "http://" + proxy.address)
        #expect(try result.get().status == 200)
        #expect(proxy.requests == ["CONNECT localhost:\(server.port) HTTP/1.1"])
        #expect(server.requests.first?.lowercased().contains("authorization: bearer secret-token") == true)
        try await proxy.stop()
        try await server.stop()
    }

    @Test func `an expired certificate behind a proxy is reported with both`() async throws {
        let server = try await Self.server("expired")
        let proxy = try await ConnectProxy.start()
        let result = try await send(
            to: "https://localhost:\(server.port)", trust: Self.ours(), proxy: proxy.address)
        guard case .failure(.notSent(let words)) = result else { Issue.record("\(result)"); return }
        #expect(
            words.hasPrefix(
                "the certificate of localhost, seen through the proxy \(proxy.address) (upstream.proxy), is not trusted: it expired"
            ), "\(words)")
        #expect(server.requests.isEmpty)
        try await proxy.stop()
        try await server.stop()
    }

    @Test(arguments: [nil, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    func `a file without certificates is refused by the name of its setting`(contents: String?) {
        for setting in ["upstream.ca_file", "SSL_CERT_FILE"] {
            let file = TrustSettings.File(setting: setting, path: "/x.pem", contents: contents.map { Array($0.utf8) })
            let error = #expect(throws: TrustSettings.InvalidFile.self) {
                setting == "SSL_CERT_FILE"
                    ? try TrustSettings(systemFile: file, addedFile: nil)
                    : try TrustSettings(systemFile: nil, addedFile: file)
            }
            #expect(error?.message.hasPrefix("\(setting) names /x.pem, which ") == true, "\(String(describing: error))")
        }
    }

    @Test func `requests after a change use the new connections`() async throws {
        let server = try await Self.server("valid")
        let transport = UpstreamHTTP(
            accounts: Current(
                always: ["testing": UpstreamHTTP.Access(baseURL: "https://localhost:\(server.port)", token: nil)]),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, now: { Self.now })
        let request = UpstreamRequest(method: "GET", path: "/")
        await #expect(throws: UpstreamTransportError.self) {
            _ = try await transport.send(request, by: "testing", isPaid: false, timeout: .seconds(20))
        }
        transport.connect(UpstreamHTTP.Connections(trust: try Self.ours()))
        let reply = try await transport.send(request, by: "testing", isPaid: false, timeout: .seconds(20))
        #expect(reply.status == 200)
        try await transport.shutdown()
        try await server.stop()
    }
}
