/// A server URL as a user enters it: scheme, host, port and path.
struct HTTPAddress {
    /// `http` or `https`.
    let scheme: String
    /// In lower case, without the brackets of an IPv6 address.
    let host: String
    /// The URL as written, without trailing slashes.
    let text: String

    /// Nil for anything else, such as a URL with a user, a query, a fragment or an invalid port.
    init?(_ text: String) {
        guard let colon = text.firstRange(of: "://"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
            !text.contains(where: { "?#@\\".contains($0) })
        else { return nil }
        scheme = text[..<colon.lowerBound].lowercased()
        guard ["http", "https"].contains(scheme) else { return nil }
        let authority = text[colon.upperBound...].prefix { $0 != "/" }.lowercased()
        guard let host = Self.host(of: authority) else { return nil }
        self.host = host
        self.text = String(text.reversed().drop { $0 == "/" }.reversed())
    }

    /// Whether requests to it stay on this machine. Compares the whole host, not its beginning.
    var isLocal: Bool {
        if host == "localhost" || host == "::1" { return true }
        let octets = host.split(separator: ".", omittingEmptySubsequences: false)
        return octets.count == 4 && octets.first == "127" && octets.allSatisfy { UInt8($0) != nil }
    }

    /// Whether text meant as a URL may contain a password and must not be shown.
    static func mayHoldPassword(_ text: String) -> Bool { text.contains("@") }

    private static func host(of authority: String) -> String? {
        var host = authority[...]
        var port: Substring?
        if host.first == "[" {
            guard let end = host.firstIndex(of: "]") else { return nil }
            let rest = host[host.index(after: end)...]
            guard rest.isEmpty || rest.first == ":" else { return nil }
            port = rest.isEmpty ? nil : rest.dropFirst()
            host = host[host.index(after: host.startIndex)..<end]
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || ":.".contains($0) }) else { return nil }
        } else {
            if let colon = host.firstIndex(of: ":") {
                port = host[host.index(after: colon)...]
                host = host[..<colon]
            }
            guard !host.isEmpty, host.allSatisfy({ $0.isLetter || $0.isNumber || "-._".contains($0) }) else {
                return nil
            }
        }
        if let port { guard port.allSatisfy(\.isNumber), UInt16(port) != nil else { return nil } }
        return String(host)
    }
}
