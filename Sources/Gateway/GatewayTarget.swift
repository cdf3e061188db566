import HTTPTypes
import Hummingbird
import ProviderCatalog
import TaskModel
import VerbatimJSON

/// GatewayTarget is what a request is addressed to: a provider and a path of it.
struct GatewayTarget {
    let provider: ProviderProfile
    /// Below the provider's base URL, escaped as it was received.
    let path: String
    let query: String
    /// The header field that names the path; nil where the request line does.
    let namedBy: HTTPField.Name?
    /// Where the provider's paths begin at the gateway, as the program addresses it.
    let address: String

    /// Nil if the path names no provider, or a header field an address that is not the provider's.
    init?(_ request: HTTPRequest, scheme: String, catalog: ProviderCatalog) {
        let whole = request.path ?? "/"
        let path = whole.prefix { $0 != "?" }
        let name = path.dropFirst().prefix { $0 != "/" }
        guard let provider = ProviderName(String(name)).flatMap({ catalog.provider($0) }) else { return nil }
        self.provider = provider
        address = "\(scheme)://\(request.authority ?? "")/\(name)\(provider.gateway.basePath)"
        if let proxied = provider.gateway.proxied, let field = HTTPField.Name(proxied.header),
            let text = request.headerFields[field]
        {
            // Credentials go to no other host.
            guard text.hasPrefix(proxied.base + "/"), text.utf8.allSatisfy({ 0x21...0x7e ~= $0 }) else { return nil }
            let target = text.dropFirst(proxied.base.count).prefix { $0 != "#" }
            let path = target.prefix { $0 != "?" }
            (self.path, query, namedBy) = (String(path), String(target.dropFirst(path.count + 1)), field)
            return
        }
        query = String(whole.dropFirst(path.count + 1))
        namedBy = nil
        var rest = path.dropFirst(name.count + 1)
        let base = provider.gateway.basePath
        if !base.isEmpty, rest == base || rest.hasPrefix(base + "/") { rest = rest.dropFirst(base.count) }
        self.path = rest.isEmpty ? "/" : String(rest)
    }

    /// Puts the gateway's address in place of the provider's own, wherever a text of the document begins with it.
    func rewritten(_ reply: GatewayReply) -> GatewayReply {
        guard reply.contentType.lowercased().contains("json"), reply.body.contains(provider.baseURL),
            let json = reply.json
        else { return reply }
        var rewritten = reply
        rewritten.body = json.readdressed(from: provider.baseURL, to: address).utf8
        return rewritten
    }
}

extension [UInt8] {
    /// Whether these bytes hold that text. A slash may be escaped, as some providers write it.
    fileprivate func contains(_ text: String) -> Bool {
        let plain = Array(text.utf8)
        let host = plain.split(separator: UInt8(ascii: "/")).dropFirst().first.map { Array($0) } ?? plain
        guard let first = host.first, host.count <= count else { return false }
        return indices.dropLast(host.count - 1).contains {
            self[$0] == first && self[$0..<$0 + host.count].elementsEqual(host)
        }
    }
}
