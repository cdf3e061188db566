/// An `http` or `https` address, parsed more strictly than a browser does.
///
/// Two parsers must not understand one address differently. So it has no user, no backslash and only visible ASCII. Its
/// host consists of letters, digits and `-._`, or is an IPv6 address in brackets.
package struct HTTPURL: Sendable, Hashable {
    /// `http` or `https`.
    package let scheme: String
    /// The host, and the port if the address contains one.
    package let authority: HostPort
    /// Whether a query or a fragment follows the path.
    package let hasQueryOrFragment: Bool

    /// Reads the address; nil for anything else.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "\\") }),
            let mark = text.firstRange(of: "://")
        else { return nil }
        scheme = text[..<mark.lowerBound].lowercased()
        let rest = text[mark.upperBound...]
        guard ["http", "https"].contains(scheme), let authority = HostPort(rest.prefix { !"/?#".contains($0) }) else {
            return nil
        }
        self.authority = authority
        hasQueryOrFragment = rest.contains { "?#".contains($0) }
    }

    /// The host, with its port unless that is the usual one of the scheme.
    package var host: String {
        authority.port == (scheme == "https" ? 443 : 80) ? HostPort(authority.host).text : authority.text
    }
}

/// A host and an optional port, as in a URL.
package struct HostPort: Sendable, Hashable {
    /// In lower case, without the brackets of an IPv6 address.
    package let host: String
    /// The port; nil if the text contains none.
    package let port: Int?

    fileprivate init(_ host: String) {
        self.host = host
        port = nil
    }

    /// Reads `example.org`, `example.org:8080` or `[::1]:8080`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let text = text.lowercased()
        let host: Substring
        var digits: Substring?
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[..<end].dropFirst()
            guard host.contains(":"), host.utf8.allSatisfy({ $0.isHexDigit || ":.".utf8.contains($0) }) else {
                return nil
            }
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.first == ":" else { return nil }
            digits = rest.isEmpty ? nil : rest.dropFirst()
        } else {
            host = text.prefix { $0 != ":" }
            digits = host.endIndex == text.endIndex ? nil : text[host.endIndex...].dropFirst()
            guard !host.isEmpty, host.utf8.allSatisfy({ $0.isLetterOrDigit || "-._".utf8.contains($0) }) else {
                return nil
            }
        }
        self.host = String(host)
        guard let digits else {
            port = nil
            return
        }
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = UInt16(digits), number > 0
        else { return nil }
        port = Int(number)
    }

    /// The value of a `Host` header field.
    package var text: String { (host.contains(":") ? "[\(host)]" : host) + (port.map { ":\($0)" } ?? "") }

    /// Whether requests to it stay on this machine. The whole host decides, not its prefix.
    package var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let octets = host.split(separator: ".", omittingEmptySubsequences: false)
        return octets.count == 4 && octets.first == "127" && octets.allSatisfy { UInt8($0) != nil }
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self)
    }

    /// Whether it is a digit or a lower-case ASCII letter.
    fileprivate var isLetterOrDigit: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self)
    }
}
