import AsyncHTTPClient
import HTTPTesting
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing
import Text

@testable import UpstreamHTTP

/// Tests which hosts a reply or a request may name, and that the connection goes to the address that was checked.
@Suite(.timeLimit(.minutes(1))) struct AddressCheckTests {
    /// A resolver with one answer, which counts how often it is asked.
    private final class Names: Sendable {
        private let answers: [String]
        private let count = Mutex(0)

        init(_ answers: [String]) { self.answers = answers }

        var lookUps: Int { count.withLock { $0 } }

        func lookUp(_ name: String) -> [IPAddress] {
            count.withLock { $0 += 1 }
            return answers.compactMap { IPAddress($0) }
        }
    }

    private func check(
        _ host: String, _ answers: [String] = ["1.1.1.1"], allowing ranges: Set<IPAddress.SpecialRange> = []
    ) async throws -> Result<[String], AddressCheck.Refusal> {
        let names = Names(answers)
        let check = AddressCheck(allowing: ranges) { names.lookUp($0) }
        let host = try #require(HostPort(host))
        do throws(AddressCheck.Refusal) {
            return .success(try await check.addresses(of: host).map(\.description))
        } catch {
            return .failure(error)
        }
    }

    @Test func `a name whose addresses are all public is allowed`() async throws {
        #expect(
            try await check("a.example:443", ["2606:4700::1111", "1.1.1.1"]).get() == ["2606:4700::1111", "1.1.1.1"])
    }

    @Test(arguments: [
        (["1.1.1.1", "10.0.0.1"], IPAddress.SpecialRange.private), (["169.254.169.254"], .linkLocal),
        (["::ffff:127.0.0.1"], .loopback), (["64:ff9b::a00:1"], .translation), (["fd00::1", "1.1.1.1"], .private),
    ])
    func `one address that is not public refuses the name`(
        answers: [String], range: IPAddress.SpecialRange
    ) async throws {
        #expect(try await check("a.example", answers) == .failure(.special(range, host: "a.example")))
    }

    @Test(arguments: [
        ("127.0.0.1", AddressCheck.Refusal.special(.loopback, host: "127.0.0.1")),
        ("[::ffff:10.0.0.1]:80", .special(.private, host: "::ffff:10.0.0.1")),
        ("localhost", .special(.loopback, host: "localhost")),
        ("A.Localhost.", .special(.loopback, host: "a.localhost.")),
        ("2130706433", .ambiguous(host: "2130706433")), ("0x7f.1", .ambiguous(host: "0x7f.1")),
        ("0177.0.0.1", .ambiguous(host: "0177.0.0.1")), ("127.0.0.1.", .ambiguous(host: "127.0.0.1.")),
    ])
    func `a host that shows its address is refused without a look-up`(
        host: String, refusal: AddressCheck.Refusal
    ) async throws {
        #expect(try await check(host) == .failure(refusal))
        let names = Names([])
        let parsed = try #require(HostPort(host))
        #expect(throws: refusal) { try AddressCheck { names.lookUp($0) }.check(parsed) }
        #expect(names.lookUps == 0)
    }

    @Test func `a range that is named is allowed, and no other`() async throws {
        #expect(try await check("localhost", ["127.0.0.1"], allowing: [.loopback]).get() == ["127.0.0.1"])
        #expect(try await check("[::1]", allowing: [.loopback]).get() == ["::1"])
        #expect(
            try await check("localhost", ["10.0.0.1"], allowing: [.loopback])
                == .failure(.special(.private, host: "localhost")))
    }

    @Test func `a name without an address may have one later`() async throws {
        #expect(try await check("a.example", []) == .failure(.notFound(host: "a.example")))
    }

    @Test func `the system resolves the name of this machine`() async {
        let addresses = await SystemResolver.lookUp("localhost")
        #expect(!addresses.isEmpty)
        #expect(addresses.allSatisfy { $0.specialRange == .loopback })
        #expect(await SystemResolver.lookUp("no-such-name.invalid") == [])
    }

    /// Sends a request for that host over a client that is pinned.
    private func get(
        _ url: String, pinning host: String, to address: String
    ) async throws -> Result<Int, any Error> {
        var configuration = HTTPClient.Configuration(timeout: .init(connect: .seconds(5)))
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.pin(try #require(HostPort(host)), to: try #require(IPAddress(address)))
        let client = HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
        let result: Result<Int, any Error>
        do {
            result = .success(Int(try await client.get(url: url).get().status.code))
        } catch {
            result = .failure(error)
        }
        try await client.shutdown()
        return result
    }

    @Test func `the connection goes to the checked address and names the host`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        // No resolver knows this name (RFC 6761).
        let status = try await get(
            "http://pinned.invalid:\(server.port)/x", pinning: "pinned.invalid", to: "127.0.0.1"
        ).get()
        #expect(status == 200)
        #expect(server.requests.first?.lowercased().contains("host: pinned.invalid:\(server.port)") == true)
        try await server.stop()
    }

    @Test func `a connection to another address carries no request`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        // The host of the URL is not the pinned one, as after a mistake.
        let result = try await get(
            "http://localhost:\(server.port)/x", pinning: "pinned.invalid", to: "1.1.1.1")
        #expect(throws: (any Error).self) { try result.get() }
        #expect(server.requests.isEmpty)
        try await server.stop()
    }
}
