import Text

/// The proxies for provider requests, from a setting or the usual environment variables.
package struct ProxySettings: Sendable, Hashable {
    /// One proxy.
    package struct Proxy: Sendable, Hashable {
        enum Kind: Hashable { case http, socks }

        let kind: Kind
        let host: String
        let port: Int
        /// The name and password, joined by a colon. Never shown.
        let credentials: String?
        /// The setting or environment variable that contains the proxy.
        package let variable: String

        /// Host, port and setting, without the credentials: `10.0.0.1:3128 (HTTPS_PROXY)`.
        package var description: String {
            "\(host.contains(":") ? "[\(host)]" : host):\(port) (\(variable))"
        }
    }

    /// A proxy setting with an invalid value.
    package struct InvalidProxy: Error, Hashable {
        /// A whole sentence, without the value, which may contain a password.
        package let message: String
    }

    /// The proxy for `http://` URLs.
    package let http: Proxy?
    /// The proxy for `https://` URLs.
    package let https: Proxy?
    private let exceptions: [String]
    private let isForLoopback: Bool

    /// The passwords in the settings.
    package var secrets: [String] {
        [http, https].compactMap { $0?.credentials?.split(separator: ":", maxSplits: 1).last.map(String.init) }
    }

    /// No proxies.
    package static let none = ProxySettings()

    private init() {
        (http, https) = (nil, nil)
        exceptions = []
        isForLoopback = false
    }

    /// Reads `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. Lower case names take precedence, as in curl. Blank values
    /// count as unset.
    ///
    /// `setting`, the value of `upstream.proxy`, replaces the proxies of both schemes. `NO_PROXY` applies to it too,
    /// as to `--proxy` of curl.
    package init(environment: [String: String], setting: String? = nil) throws(InvalidProxy) {
        func value(_ name: String) -> (variable: String, text: String)? {
            for variable in [name.lowercased(), name] {
                let text = (environment[variable] ?? "").filter { !$0.isWhitespace || name == "NO_PROXY" }
                if text.contains(where: { !$0.isWhitespace }) { return (variable, text) }
            }
            return nil
        }
        isForLoopback = setting != nil
        if let setting {
            let proxy = try Self.proxy(setting, "upstream.proxy")
            (http, https) = (proxy, proxy)
        } else {
            http = try value("HTTP_PROXY").map { value throws(InvalidProxy) in
                try Self.proxy(value.text, value.variable)
            }
            https = try value("HTTPS_PROXY").map { value throws(InvalidProxy) in
                try Self.proxy(value.text, value.variable)
            }
        }
        exceptions = (value("NO_PROXY")?.text ?? "").split { $0 == "," || $0.isWhitespace }.map { $0.lowercased() }
    }

    /// The proxy for a URL; nil if requests go directly to the host.
    ///
    /// Loopback URLs use a proxy only if Pollux's own setting names it. Environment variables are meant for other
    /// hosts, and a remote proxy has its own loopback.
    func proxy(for url: String) -> Proxy? {
        guard let target = URLAuthority(url) else { return nil }
        guard let proxy = target.scheme == "https" ? https : http else { return nil }
        guard isForLoopback || !target.isLoopback, !exceptions.contains(where: target.matches) else { return nil }
        return proxy
    }

    private static func proxy(_ text: String, _ variable: String) throws(InvalidProxy) -> Proxy {
        let mistake = InvalidProxy(
            message: """
                \(variable) is not a usable proxy. It must be http://HOST:PORT or socks5://HOST:PORT, with \
                NAME:PASSWORD@ before the host where the proxy wants it; or unset it.
                """)
        guard let authority = URLAuthority(text.contains("://") ? text : "http://" + text) else { throw mistake }
        let kind: Proxy.Kind
        switch authority.scheme {
        case "http": kind = .http
        case "socks5", "socks5h": kind = .socks
        default: throw mistake
        }
        // The HTTP client does not support credentials for a SOCKS proxy.
        guard kind == .http || authority.credentials == nil else { throw mistake }
        return Proxy(
            kind: kind, host: authority.host, port: authority.port ?? (kind == .http ? 80 : 1080),
            credentials: authority.credentials, variable: variable)
    }
}

/// The scheme, host, port and credentials of a URL, as proxy variables write them.
struct URLAuthority: Hashable {
    /// In lower case.
    let scheme: String
    private let address: HostPort
    /// The decoded user information before the host.
    let credentials: String?

    init?(_ url: String) {
        guard let mark = url.firstRange(of: "://") else { return nil }
        scheme = url[..<mark.lowerBound].lowercased()
        var authority = url[mark.upperBound...].prefix { !"/?#".contains($0) }
        if let at = authority.lastIndex(of: "@") {
            guard let decoded = String(authority[..<at]).percentDecoded else { return nil }
            credentials = decoded
            authority = authority[authority.index(after: at)...]
        } else {
            credentials = nil
        }
        // A colon without a port is valid (RFC 3986, section 3.2.3).
        guard let address = HostPort(authority.last == ":" ? authority.dropLast() : authority) else { return nil }
        self.address = address
    }

    /// In lower case, without the brackets of an IPv6 address.
    var host: String { address.host }

    /// The port; nil if the URL contains none.
    var port: Int? { address.port }

    /// The value of a `Host` header field.
    var hostField: String { address.text }

    var isLoopback: Bool { address.isLoopback }

    /// Whether a `NO_PROXY` entry matches the host. An entry is `*`, a domain with its subdomains, an address or a
    /// range (`10.0.0.0/8`). With a port it matches only that port.
    func matches(_ entry: String) -> Bool {
        if entry == "*" { return true }
        if entry.contains("/") { return IPAddress(host)?.isWithin(entry) ?? false }
        guard let entry = URLAuthority("any://" + (entry.hasPrefix("*.") ? String(entry.dropFirst()) : entry)) else {
            // IPv6 addresses often appear without brackets here.
            return host == entry
        }
        let usual = scheme == "https" ? 443 : 80
        guard entry.port == nil || entry.port == port ?? usual else { return host.contains(":") && host == entry.host }
        let name = entry.host.hasPrefix(".") ? String(entry.host.dropFirst()) : entry.host
        return host == name || host.hasSuffix("." + name)
    }
}
