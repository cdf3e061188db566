import Text

/// A server URL as a user enters it: scheme, host, port and path.
struct HTTPAddress {
    private let url: HTTPURL
    /// The URL as written, without trailing slashes.
    let text: String

    /// Nil for anything else, such as a URL with a user, a query, a fragment or an invalid port.
    init?(_ text: String) {
        guard let url = HTTPURL(text), !url.hasQueryOrFragment, !Self.mayHoldPassword(text) else { return nil }
        self.url = url
        self.text = String(text.reversed().drop { $0 == "/" }.reversed())
    }

    /// The host, without its port.
    var host: String { url.authority.host }

    /// Whether it names only a server, without a path.
    var isServer: Bool { text.count { $0 == "/" } == 2 }

    /// Whether requests to it cross a network without encryption.
    var isExposed: Bool { url.scheme == "http" && !url.authority.isLoopback }

    /// Whether text meant as a URL may contain a password and must not be shown.
    static func mayHoldPassword(_ text: String) -> Bool { text.contains("@") }
}
