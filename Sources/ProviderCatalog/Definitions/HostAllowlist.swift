package import Text

/// The hosts to which requests of a provider may go, including addresses from its replies.
///
/// Each request contains the token. So an address from a reply is used only with the scheme of the base URL and a host
/// that the definition lists.
package struct HostAllowlist: Sendable, Hashable {
    /// `https`, or `http` if the base URL has it.
    let scheme: String
    /// Hosts, with their port unless it is the default; `*.example.com` stands for every subdomain.
    let hosts: [String]
    /// The provider's base URL.
    let baseURL: String

    /// Why an address is refused, as a whole sentence.
    package struct Refusal: Error, Hashable {
        package let message: String
    }

    /// Allows the base URL's host and the given ones.
    init(baseURL: String, others: [String] = []) {
        let own = Self.parts(of: baseURL)
        self.baseURL = baseURL
        scheme = own?.scheme ?? "https"
        hosts = [own?.host ?? ""] + others.map { $0.lowercased() }
    }

    /// The absolute address. A missing scheme or host comes from the base URL (RFC 3986, section 4.2).
    func absolute(_ reference: String) -> String {
        guard reference.hasPrefix("/"), !reference.hasPrefix("//"), let host = hosts.first else { return reference }
        return "\(scheme)://\(host)\(reference)"
    }

    /// Throws the reason if the address is not allowed.
    func check(_ url: String) throws(Refusal) {
        guard let parts = Self.parts(of: url) else {
            throw Refusal(message: "The provider gave \"\(url.prefix(200))\" as an address, which is not a valid URL.")
        }
        guard parts.scheme == scheme else {
            throw Refusal(
                message:
                    "The provider gave an address over \(parts.scheme) (\(url.prefix(200))); only \(scheme) is allowed."
            )
        }
        guard hosts.contains(where: { Self.matches(parts.host, $0) }) else {
            throw Refusal(
                message: """
                    The provider gave an address at another host, \(parts.host). The token is not sent there; \
                    allowed_hosts of the definition names \(hosts.joined(separator: ", ")).
                    """)
        }
    }

    /// Whether the URL leads to one of the hosts.
    package func names(_ url: HTTPURL) -> Bool { hosts.contains { Self.matches(url.host, $0) } }

    /// Whether the URL leads to the host of the base URL, over its scheme.
    package func isOwn(_ url: HTTPURL) -> Bool { url.host == hosts.first && url.scheme == scheme }

    /// Whether the base URL is not encrypted, so that other URLs of the provider need not be either.
    package var isPlain: Bool { scheme == "http" }

    /// Whether a definition may list this host.
    static func isHost(_ text: String) -> Bool {
        let name = text.hasPrefix("*.") ? String(text.dropFirst(2)) : text
        return parts(of: "https://\(name)/").map { $0.host == name.lowercased() && name.contains(".") } ?? false
    }

    private static func matches(_ host: String, _ allowed: String) -> Bool {
        allowed.hasPrefix("*.")
            ? host.hasSuffix(allowed.dropFirst()) && host.count > allowed.count - 1 : host == allowed
    }

    /// The scheme, and the host with its port, in lower case; nil if the text is not a strict ``HTTPURL``.
    static func parts(of url: String) -> (scheme: String, host: String)? {
        guard url.utf8.count <= 2_048, let url = HTTPURL(url) else { return nil }
        return (url.scheme, url.host)
    }
}
