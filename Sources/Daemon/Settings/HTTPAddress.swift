import Text

/// HTTPAddress is the URL of a server as a person sets it: scheme, host, port and path, nothing else.
struct HTTPAddress {
    private let url: HTTPURL
    /// As it was written, without slashes at its end.
    let text: String

    /// Nil for anything else: a user, a query, a fragment, a port that is none.
    init?(_ text: String) {
        guard let url = HTTPURL(text), !url.hasQueryOrFragment, !Self.mayHoldPassword(text) else { return nil }
        self.url = url
        self.text = String(text.reversed().drop { $0 == "/" }.reversed())
    }

    /// Whether what is sent there crosses a network without encryption.
    var isExposed: Bool { url.scheme == "http" && !url.authority.isLoopback }

    /// Whether a text that was meant as a URL may hold a password, and so must not be shown.
    static func mayHoldPassword(_ text: String) -> Bool { text.contains("@") }
}
