import HTTPServing
import HTTPTypes
import Hummingbird
import ProviderCatalog
import Text

/// AccessRules refuses what a browser may have been tricked into sending, before anything else.
struct AccessRules {
    /// The host that the gateway listens on.
    let listensOn: String
    /// Further names for this machine, as the settings have them.
    let hosts: [String]

    private static let fetchSite = HTTPField.Name("Sec-Fetch-Site")

    /// Why the request is refused; nil if it may go on.
    func refusal(of request: HTTPRequest) -> String? {
        if request.headerFields[.origin] != nil {
            return "Requests of web pages are refused: the header field Origin is there."
        }
        if let site = Self.fetchSite.flatMap({ request.headerFields[$0] }), site != "none", site != "same-origin" {
            return "Requests of web pages are refused: the header field Sec-Fetch-Site says \(site.prefix(40))."
        }
        return AllowedHosts(listensOn: listensOn, others: hosts, setting: "gateway.hosts").refusal(of: request)
    }
}

/// CredentialPlaces are where clients of a provider put their keys.
struct CredentialPlaces {
    /// The names of header fields, in small letters.
    let headers: [String]
    /// The names of parameters of the address.
    let parameters: [String]

    init(_ authentication: Authentication) {
        var (headers, parameters) = (["authorization", "x-api-key", "x-goog-api-key"], ["key"])
        switch authentication {
        case .header(let name, _): if !headers.contains(name.lowercased()) { headers.append(name.lowercased()) }
        case .query(let name): if !parameters.contains(name) { parameters.append(name) }
        case .signedToken, .none: break
        }
        (self.headers, self.parameters) = (headers, parameters)
    }
}

/// LocalCredential finds the token that a program shows, wherever the client of a provider puts its key.
struct LocalCredential {
    /// The texts that may be a token, without what stands in front of them.
    let texts: [String]
    /// The query without a token.
    let query: String

    init(headers: [String: String], query: String, in places: CredentialPlaces) {
        var texts = places.headers.compactMap { headers[$0].map(Self.token) }
        var rest: [Substring] = []
        for pair in query.split(separator: "&") {
            let name = pair.prefix { $0 != "=" }
            if places.parameters.contains(String(name)), name.endIndex != pair.endIndex,
                let text = String(pair.dropFirst(name.count + 1)).percentDecoded
            {
                texts.append(text)
            } else {
                rest.append(pair)
            }
        }
        self.texts = texts
        self.query = rest.joined(separator: "&")
    }

    /// The text without the word in front of it.
    private static func token(_ value: String) -> String {
        let words = value.split(separator: " ")
        guard words.count == 2, ["bearer", "key", "token"].contains(words[0].lowercased()) else { return value }
        return String(words[1])
    }
}
