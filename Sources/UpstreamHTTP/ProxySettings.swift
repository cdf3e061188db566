import Text

/// The proxies that requests to providers go through, as the usual environment variables name them.
package struct ProxySettings: Sendable, Hashable {
    /// One proxy.
    package struct Proxy: Sendable, Hashable {
        enum Kind: Hashable { case http, socks }

        let kind: Kind
        let host: String
        let port: Int
        /// Name and password, joined by a colon; never shown.
        let credentials: String?
        /// The environment variable that names the proxy.
        package let variable: String

        /// Host, port and variable, without the credentials: `10.0.0.1:3128 (HTTPS_PROXY)`.
        package var description: String {
            "\(host.contains(":") ? "[\(host)]" : host):\(port) (\(variable))"
        }
    }

    /// A variable that names no proxy.
    package struct Mistake: Error, Hashable {
        /// A whole sentence, without the value: it may hold a password.
        package let message: String
    }

    /// For addresses that begin with `http://`.
    package let http: Proxy?
    /// For addresses that begin with `https://`.
    package let https: Proxy?
    private let exceptions: [String]

    /// The passwords that the variables hold.
    package var secrets: [String] {
        [http, https].compactMap { $0?.credentials?.split(separator: ":", maxSplits: 1).last.map(String.init) }
    }

    /// No proxy at all.
    package static let none = ProxySettings(http: nil, https: nil, exceptions: [])

    private init(http: Proxy?, https: Proxy?, exceptions: [String]) {
        self.http = http
        self.https = https
        self.exceptions = exceptions
    }

    /// Reads `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; the spelling in small letters goes first, as with curl. A blank
    /// variable counts as unset.
    package init(environment: [String: String]) throws(Mistake) {
        func value(_ name: String) -> (variable: String, text: String)? {
            for variable in [name.lowercased(), name] {
                let text = (environment[variable] ?? "").filter { !$0.isWhitespace || name == "NO_PROXY" }
                if text.contains(where: { !$0.isWhitespace }) { return (variable, text) }
            }
            return nil
        }
        http = try value("HTTP_PROXY").map { value throws(Mistake) in try Self.proxy(value.text, value.variable) }
        https = try value("HTTPS_PROXY").map { value throws(Mistake) in try Self.proxy(value.text, value.variable) }
        exceptions = (value("NO_PROXY")?.text ?? "").split { $0 == "," || $0.isWhitespace }.map { $0.lowercased() }
    }

    /// The proxy for an address; nil where the request goes straight to its host.
    ///
    /// An address of this machine never goes through a proxy, which has a loopback of its own.
    func proxy(for url: String) -> Proxy? {
        guard let target = URLAuthority(url) else { return nil }
        guard let proxy = target.scheme == "https" ? https : http else { return nil }
        guard !target.isLoopback, !exceptions.contains(where: target.matches) else { return nil }
        return proxy
    }

    private static func proxy(_ text: String, _ variable: String) throws(Mistake) -> Proxy {
        let mistake = Mistake(
            message: """
                \(variable) names no proxy that can be used. It must be http://HOST:PORT or socks5://HOST:PORT, with \
                NAME:PASSWORD@ before the host where the proxy wants it; or unset it.
                """)
        guard let authority = URLAuthority(text.contains("://") ? text : "http://" + text) else { throw mistake }
        let kind: Proxy.Kind
        switch authority.scheme {
        case "http": kind = .http
        case "socks5", "socks5h": kind = .socks
        default: throw mistake
        }
        // The client cannot show credentials to a SOCKS proxy.
        guard kind == .http || authority.credentials == nil else { throw mistake }
        return Proxy(
            kind: kind, host: authority.host, port: authority.port ?? (kind == .http ? 80 : 1080),
            credentials: authority.credentials, variable: variable)
    }
}

/// URLAuthority is the scheme, the host, the port and the credentials of a URL, as proxy variables write them.
struct URLAuthority: Hashable {
    /// In lower case.
    let scheme: String
    private let address: HostPort
    /// What stands before the host, decoded.
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
        // A port may be left out behind its colon (RFC 3986, section 3.2.3).
        guard let address = HostPort(authority.last == ":" ? authority.dropLast() : authority) else { return nil }
        self.address = address
    }

    /// In lower case, without the brackets of IPv6.
    var host: String { address.host }

    /// Nil where the URL names none.
    var port: Int? { address.port }

    /// As a `Host` header field has it.
    var hostField: String { address.text }

    var isLoopback: Bool { address.isLoopback }

    /// Whether an entry of `NO_PROXY` names the host: `*`, a host with everything below it, an address or a range of
    /// addresses (`10.0.0.0/8`), each with a port if it is meant for that one only.
    func matches(_ entry: String) -> Bool {
        if entry == "*" { return true }
        if let slash = entry.firstIndex(of: "/") {
            guard let own = IPv4(host), let range = IPv4(String(entry[..<slash])),
                let bits = Int(entry[entry.index(after: slash)...]), 0...32 ~= bits
            else { return false }
            return bits == 0 || (own.number ^ range.number) >> UInt32(32 - bits) == 0
        }
        guard let entry = URLAuthority("any://" + (entry.hasPrefix("*.") ? String(entry.dropFirst()) : entry)) else {
            // An IPv6 address is often written without brackets here.
            return host == entry
        }
        let usual = scheme == "https" ? 443 : 80
        guard entry.port == nil || entry.port == port ?? usual else { return host.contains(":") && host == entry.host }
        let name = entry.host.hasPrefix(".") ? String(entry.host.dropFirst()) : entry.host
        return host == name || host.hasSuffix("." + name)
    }

    /// Four numbers with dots between them.
    private struct IPv4 {
        let number: UInt32

        init?(_ text: String) {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false).compactMap { UInt8($0) }
            guard parts.count == 4, text.count(where: { $0 == "." }) == 3 else { return nil }
            number = parts.reduce(0) { $0 << 8 | UInt32($1) }
        }
    }
}
