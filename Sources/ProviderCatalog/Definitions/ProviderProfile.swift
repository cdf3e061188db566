package import TaskModel

/// What is known about a provider as a whole.
package struct ProviderProfile: Sendable, Hashable {
    /// The name by which endpoints and credentials refer to it.
    package let name: ProviderName
    /// Where its paths begin, without a trailing slash.
    package let baseURL: String
    /// How many requests of all kinds one second may see.
    package let maxRequestsPerSecond: Double
    /// Whether its endpoints go without its name in front.
    package var isDefault = false
    /// How the token is sent.
    package var authentication = Authentication.bearer
    /// The environment variable that holds the token; with `_FILE` behind it, one that names a file.
    package var tokenVariable: String
    /// How it signs what it sends to callback URLs; nil where it does not.
    package var callbackSignature: CallbackSignature?
    /// Go with every request.
    package var headers: [String: String] = [:]
    /// Further hosts to which addresses in its replies may lead.
    package var allowedHosts: [String] = []
    /// How programs reach it through the gateway.
    package var gateway = GatewayProfile()

    package init(name: ProviderName, baseURL: String, maxRequestsPerSecond: Double) {
        self.name = name
        self.baseURL = baseURL
        self.maxRequestsPerSecond = maxRequestsPerSecond
        tokenVariable = Self.tokenVariable(of: name)
    }

    /// The same provider somewhere else: a sandbox, a proxy. Only that host is talked to then.
    package func moved(to baseURL: String) -> ProviderProfile {
        var moved = ProviderProfile(name: name, baseURL: baseURL, maxRequestsPerSecond: maxRequestsPerSecond)
        moved.isDefault = isDefault
        moved.authentication = authentication
        moved.tokenVariable = tokenVariable
        moved.headers = headers
        moved.callbackSignature = callbackSignature
        moved.gateway = gateway
        return moved
    }

    /// `my-provider` has `MY_PROVIDER_TOKEN` by default.
    static func tokenVariable(of name: ProviderName) -> String {
        name.text.uppercased().replacing("-", with: "_") + "_TOKEN"
    }
}

/// How a provider expects the token.
package enum Authentication: Sendable, Hashable {
    /// In a header field, with words in front of it: `Authorization: Key …`, `x-key: …`.
    case header(name: String, prefix: String)
    /// In the query of every address.
    case query(name: String)
    /// As a JSON Web Token of our own (RFC 7519), signed with HMAC-SHA-256 for each request: the token is the access key,
    /// which it names as `iss`, a colon and the secret key.
    case signedToken(lifetime: Duration)
    /// No token is sent.
    case none

    /// `Authorization: Bearer …`
    package static let bearer = Authentication.header(name: "Authorization", prefix: "Bearer ")
}
