import AsyncHTTPClient
package import NIOCore
import NIOHTTP1
package import ProviderCatalog
package import TaskModel

/// A request of a program that passes through to the provider, without its body.
package struct PassedRequest: Sendable {
    package let method: String
    /// The path below the provider's base URL, with the query.
    package let target: String
    /// Without credentials and without fields that concern one connection.
    package let headers: [(name: String, value: String)]
    /// The length of the body; nil for a body of unknown length.
    package let bodyLength: Int?

    package init(method: String, target: String, headers: [(name: String, value: String)], bodyLength: Int?) {
        self.method = method
        self.target = target
        self.headers = headers
        self.bodyLength = bodyLength
    }
}

/// The provider's reply to it. The body arrives as it is read.
package struct PassedReply: Sendable {
    package let status: Int
    package let headers: [(name: String, value: String)]
    package let body: any AsyncSequence<ByteBuffer, any Error> & Sendable

    package init(
        status: Int, headers: [(name: String, value: String)],
        body: any AsyncSequence<ByteBuffer, any Error> & Sendable
    ) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Passes requests on and replies back as they come, and sends nothing twice.
package protocol PassingTransport: Sendable {
    /// Sends the request with the credentials of that account; returns once the head of the reply is there.
    func pass<Body: AsyncSequence & Sendable>(
        _ request: PassedRequest, body: Body?, by account: ProviderAccount
    ) async throws(UpstreamTransportError) -> PassedReply where Body.Element == ByteBuffer
}

extension UpstreamHTTP: PassingTransport {
    package func pass<Body: AsyncSequence & Sendable>(
        _ request: PassedRequest, body: Body?, by account: ProviderAccount
    ) async throws(UpstreamTransportError) -> PassedReply where Body.Element == ByteBuffer {
        let (access, clients) = (accounts[account], pool.current)
        let address = url(of: UpstreamRequest(method: request.method, path: request.target), at: access)
        let route = clients.route(to: address)
        var headers = HTTPHeaders((access?.headers ?? [:]).map { ($0.key, $0.value) })
        for name in Set(request.headers.map { $0.name.lowercased() }) { headers.remove(name: name) }
        headers.add(contentsOf: request.headers.map { ($0.name, $0.value) })
        if let credential = access?.credential(at: now()) {
            headers.replaceOrAdd(name: credential.name, value: credential.value)
        }
        var sending = HTTPClientRequest(url: address)
        if case .forwarding(let proxy) = route, let target = URLAuthority(address) {
            headers.replaceOrAdd(name: "Host", value: target.hostField)
            let rest = address.dropFirst("http://".count).drop { !"/?#".contains($0) }
            sending.url = "http://\(proxy.host.contains(":") ? "[\(proxy.host)]" : proxy.host):\(proxy.port)\(rest)"
        }
        sending.method = HTTPMethod(rawValue: request.method)
        sending.headers = headers
        if let body {
            sending.body = .stream(body, length: request.bodyLength.map { .known(Int64($0)) } ?? .unknown)
        }
        do {
            // A reply may take as long as it likes, as a stream of a chat does. The program ends it by going away.
            let client = clients.client(route, for: body == nil ? .passed : .passedBody)
            let reply = try await client.execute(sending, deadline: .distantFuture)
            return PassedReply(
                status: Int(reply.status.code), headers: reply.headers.map { ($0.name, $0.value) }, body: reply.body)
        } catch let error as HTTPClientError where error == .connectTimeout {
            throw .notSent("the provider did not accept a connection in time")
        } catch is CancellationError {
            throw .cancelled
        } catch {
            throw .interrupted("\(error)")
        }
    }
}
