package import TaskModel

/// What is known about a provider as a whole.
package struct ProviderProfile: Sendable, Hashable {
    /// The name that endpoints and credentials use.
    package let name: ProviderName
    /// The base URL without a trailing slash.
    package let baseURL: String
    /// The maximum number of requests of all kinds per second.
    package let maxRequestsPerSecond: Double
    /// Whether the names of its endpoints omit the provider's name.
    package var isDefault = false
    /// How the token is sent.
    package var authentication = Authentication.bearer
    /// The environment variable that holds the token. The same name with `_FILE` names a file instead.
    package var tokenVariable: String
    /// How it signs callbacks; nil if it does not.
    package var callbackSignature: CallbackSignature?
    /// Header fields of every request.
    package var headers: [String: String] = [:]
    /// Further hosts that addresses in its replies may use.
    package var allowedHosts: [String] = []
    /// How programs reach it through the gateway.
    package var gateway = GatewayProfile()

    package init(name: ProviderName, baseURL: String, maxRequestsPerSecond: Double) {
        self.name = name
        self.baseURL = baseURL
        self.maxRequestsPerSecond = maxRequestsPerSecond
        tokenVariable = Self.tokenVariable(of: name)
    }

    /// The hosts of its base URL and of ``allowedHosts``.
    package var hosts: HostAllowlist { HostAllowlist(baseURL: baseURL, others: allowedHosts) }

    /// The same provider at another base URL, such as a sandbox or a proxy. Only that host is allowed then.
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

    /// The default variable: `MY_PROVIDER_TOKEN` for `my-provider`.
    static func tokenVariable(of name: ProviderName) -> String {
        name.text.uppercased().replacing("-", with: "_") + "_TOKEN"
    }
}

/// How a provider expects the token.
package enum Authentication: Sendable, Hashable {
    /// In a header field, after a prefix: `Authorization: Key …`, `x-key: …`.
    case header(name: String, prefix: String)
    /// As a query parameter of every address.
    case query(name: String)
    /// As a JSON Web Token (RFC 7519) that Pollux signs with HMAC-SHA-256 for each request. The configured token is the
    /// access key, a colon and the secret key. The access key is the `iss` claim.
    case signedToken(lifetime: Duration)
    /// No token is sent.
    case none

    /// `Authorization: Bearer …`
    package static let bearer = Authentication.header(name: "Authorization", prefix: "Bearer ")
}
