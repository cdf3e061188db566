import HTTPTypes

/// The header fields of every reply that keep a browser from running or showing what is not the page.
enum SecurityHeaders {
    static let policy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:",
        "media-src 'self' blob:", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
        "form-action 'none'",
    ].joined(separator: "; ")

    private static let others: [(name: String, value: String)] = [
        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Resource-Policy", "same-origin"),
    ]

    /// Adds them. A policy that is there already, such as that of files, holds besides.
    static func add(to headers: inout HTTPFields) {
        let own = headers[.contentSecurityPolicy]
        headers[.contentSecurityPolicy] = own.map { "\(policy); \($0)" } ?? policy
        for field in others {
            if let name = HTTPField.Name(field.name) { headers[name] = field.value }
        }
        // What people may see only with a token stays in no cache.
        if headers[.cacheControl] == nil { headers[.cacheControl] = "no-store" }
    }
}
