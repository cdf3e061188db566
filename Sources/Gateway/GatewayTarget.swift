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
    /// Where the provider's paths begin at the gateway, as the program addresses it.
    let address: String

    /// Nil if the path names no provider.
    init?(_ request: HTTPRequest, scheme: String, catalog: ProviderCatalog) {
        let whole = request.path ?? "/"
        let path = whole.prefix { $0 != "?" }
        query = String(whole.dropFirst(path.count + 1))
        let name = path.dropFirst().prefix { $0 != "/" }
        guard let provider = ProviderName(String(name)).flatMap({ catalog.provider($0) }) else { return nil }
        self.provider = provider
        var rest = path.dropFirst(name.count + 1)
        let base = provider.gateway.basePath
        if !base.isEmpty, rest == base || rest.hasPrefix(base + "/") { rest = rest.dropFirst(base.count) }
        self.path = rest.isEmpty ? "/" : String(rest)
        address = "\(scheme)://\(request.authority ?? "")/\(name)\(base)"
    }

    /// Puts the gateway's address in place of the provider's own, wherever a text of the document begins with it.
    func rewritten(_ reply: GatewayReply) -> GatewayReply {
        guard reply.contentType.lowercased().contains("json"), reply.body.contains(provider.baseURL),
            let json = reply.json
        else { return reply }
        var rewritten = reply
        rewritten.body = self.rewritten(json).utf8
        return rewritten
    }
}

extension GatewayTarget {
    fileprivate func rewritten(_ value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text):
            guard text.hasPrefix(provider.baseURL) else { return value }
            let rest = text.dropFirst(provider.baseURL.count)
            // Another host may begin with the same letters.
            return rest.first.map { "/?#".contains($0) } ?? true ? .string(address + rest) : value
        case .array(let elements): return .array(elements.map(rewritten))
        case .object(let object):
            return .object(JSONObject(distinct: object.members.map { .init($0.name, rewritten($0.value)) }))
        case .null, .bool, .number: return value
        }
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
