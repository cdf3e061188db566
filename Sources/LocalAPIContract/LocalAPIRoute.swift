/// Every route of the socket, as its OpenAPI path.
package enum LocalAPIRoute: String, Sendable, CaseIterable {
    case tasks = "/v1/tasks"
    case adopt = "/v1/tasks/adopt"
    case task = "/v1/tasks/{id}"
    case cancel = "/v1/tasks/{id}/cancel"
    case reopen = "/v1/tasks/{id}/reopen"
    case resolve = "/v1/tasks/{id}/resolve"
    case events = "/v1/tasks/{id}/events"
    case endpoints = "/v1/endpoints"
    case endpoint = "/v1/endpoints/{service}/{operation}"
    case pause = "/v1/endpoints/{service}/{operation}/pause"
    case resume = "/v1/endpoints/{service}/{operation}/resume"
    case status = "/v1/status"
    case health = "/healthz"
    case readiness = "/readyz"
    case description = "/openapi.json"

    /// The path with its placeholders filled in order, each percent-encoded so that it stays one segment.
    package func path(_ arguments: String...) -> String {
        var path = ""
        var arguments = arguments[...]
        var rest = rawValue.utf8[...]
        while let open = rest.firstIndex(of: UInt8(ascii: "{")), let close = rest.firstIndex(of: UInt8(ascii: "}")) {
            path += rawValue[rest.startIndex..<open]
            path += (arguments.popFirst() ?? "").percentEncoded
            rest = rest[rest.index(after: close)...]
        }
        return path + rawValue[rest.startIndex...]
    }
}

extension String {
    /// The text with all but RFC 3986's unreserved characters escaped, for one segment of a path or one value of a query.
    package var percentEncoded: String {
        // A segment of dots alone would be folded away on its way.
        let keepsDots = utf8.contains { $0 != UInt8(ascii: ".") }
        func isKept(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ".") ? keepsDots : byte.isUnreserved }
        // Ids, the usual case, are such by themselves.
        guard !utf8.allSatisfy(isKept) else { return self }
        return utf8.map { byte in
            guard !isKept(byte) else { return String(Unicode.Scalar(byte)) }
            return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}

extension UInt8 {
    /// Whether RFC 3986 lets the character stand as it is; dots apart.
    fileprivate var isUnreserved: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}

extension String {
    /// What ``percentEncoded`` was made from; nil where it is no escaped UTF-8.
    package var percentDecoded: String? {
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let decoded = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(decoded)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

/// The media types of the socket.
package enum MediaType {
    package static let json = "application/json"
    /// One JSON document per line: many submissions at once.
    package static let jsonLines = "application/x-ndjson"
    /// RFC 9457.
    package static let problem = "application/problem+json"
}

/// The header fields of the socket beyond those of HTTP, in lower case.
package enum HeaderName {
    /// Says the same as `idempotency_key` in the body.
    package static let idempotencyKey = "idempotency-key"
}
