import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import UpstreamHTTP

/// Tests requests with a rejected token.
@Suite struct RenewingTransportTests {
    private let tokens = Reloadable<[ProviderAccount: String]>(["p": "old", Self.other: "other"])
    private static let other = ProviderAccount(provider: "p", account: "other")

    /// Sends a request of the account `default` whose token the provider rejects. Reading the token again returns `renewed`.
    private func send(
        isPaid: Bool, renewed: String?, thenStatus status: Int = 200
    ) async throws -> (reply: UpstreamReply, sent: Int) {
        let provider = ScriptedTransport()
        provider.enqueue(.text("", status: 401))
        provider.enqueue(.text("", status: status))
        let transport = RenewingTransport(provider, tokens: tokens.view(\.self)) { [tokens] account in
            #expect(account == "p")
            if let renewed { tokens.replace(with: ["p": renewed, Self.other: "other"]) }
        }
        let reply = try await transport.send(
            UpstreamRequest(method: "GET", path: "/"), by: "p", isPaid: isPaid, timeout: .seconds(1))
        return (reply, provider.sent.count)
    }

    @Test func `a rejected query is repeated with the new token`() async throws {
        let (reply, sent) = try await send(isPaid: false, renewed: "new")
        #expect(reply.status == 200 && sent == 2 && !reply.rejectsReplacedToken)
    }

    @Test func `a query is repeated only once`() async throws {
        let (reply, sent) = try await send(isPaid: false, renewed: "new", thenStatus: 401)
        #expect(reply.status == 401 && sent == 2)
    }

    @Test func `a rejected paid request is never repeated`() async throws {
        let (reply, sent) = try await send(isPaid: true, renewed: "new")
        #expect(reply.status == 401 && sent == 1 && reply.rejectsReplacedToken)
    }

    @Test(arguments: [true, false]) func `a new token of another account changes nothing`(isPaid: Bool) async throws {
        let provider = ScriptedTransport()
        provider.enqueue(.text("", status: 401))
        let transport = RenewingTransport(provider, tokens: tokens.view(\.self)) { [tokens] account in
            #expect(account == "p")
            tokens.replace(with: ["p": "old", Self.other: "new"])
        }
        let reply = try await transport.send(
            UpstreamRequest(method: "GET", path: "/"), by: "p", isPaid: isPaid, timeout: .seconds(1))
        #expect(reply.status == 401 && provider.sent.count == 1 && !reply.rejectsReplacedToken)
    }

    @Test(arguments: [true, false]) func `without a new token the rejection is returned`(isPaid: Bool) async throws {
        for renewed in [nil, "old"] {
            let (reply, sent) = try await send(isPaid: isPaid, renewed: renewed)
            #expect(reply.status == 401 && sent == 1 && !reply.rejectsReplacedToken)
        }
    }
}
