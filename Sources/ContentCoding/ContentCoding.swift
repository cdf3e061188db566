/// Decodes the content codings of an HTTP message (RFC 9110, section 8.4).
///
/// Pollux requests none (`Accept-Encoding: identity`), but some servers and gateways compress anyway.
package enum ContentCoding {
    /// Why a body cannot be decoded.
    package enum Failure: Error, Hashable {
        /// A coding other than gzip and deflate.
        case unknown(String)
        /// The body is damaged, truncated, or not in the declared coding.
        case damaged
        /// The decoded body exceeds the limit.
        case tooLarge

        /// The problem as a predicate: "is compressed with br, which …".
        package var problem: String {
            switch self {
            case .unknown(let name): "is compressed with \(name), which Pollux cannot read"
            case .damaged: "is compressed and damaged"
            case .tooLarge: "is larger than allowed once it is decompressed"
            }
        }
    }

    /// Decodes a body to at most `maxBytes` bytes.
    ///
    /// `encodings` is the value of `Content-Encoding`, or nil. Decoding stops at the limit, so a decompression bomb
    /// uses no more memory than that. Tolerates two server mistakes: a gzip body without the header field, and the
    /// header field on an uncompressed body.
    package static func decode(
        _ body: [UInt8], encodings: String?, maxBytes: Int
    ) throws(Failure) -> [UInt8] {
        let names = (encodings ?? "").split(separator: ",").map {
            $0.trimmingSpace.lowercased()
        }.filter { !$0.isEmpty && $0 != "identity" }
        // Real servers apply few codings. More would only cost time.
        guard names.count <= maxLayers else { throw .unknown(names.joined(separator: ", ")) }
        if names.isEmpty, !body.isGzip { return body.count <= maxBytes ? body : try tooLarge() }
        var decoded = body
        // The last coding was applied last, so it is removed first.
        for name in names.isEmpty ? ["gzip"] : names.reversed() {
            decoded = try decode(decoded, name, maxBytes: maxBytes)
        }
        return decoded
    }

    private static func tooLarge() throws(Failure) -> [UInt8] { throw .tooLarge }

    private static func decode(_ body: [UInt8], _ name: String, maxBytes: Int) throws(Failure) -> [UInt8] {
        guard !body.isEmpty else { return body }
        switch name {
        case "gzip", "x-gzip":
            guard body.isGzip else { return body.count <= maxBytes ? body : try tooLarge() }
            return try Inflation.inflate(body, as: .gzip, maxBytes: maxBytes)
        case "deflate":
            // "deflate" means the zlib format, but some servers send a raw stream (RFC 9110, section 8.4.1.2).
            do throws(Failure) {
                return try Inflation.inflate(body, as: .zlib, maxBytes: maxBytes)
            } catch .damaged {
                return try Inflation.inflate(body, as: .bare, maxBytes: maxBytes)
            }
        default:
            throw .unknown(name)
        }
    }

    private static let maxLayers = 3
}

extension [UInt8] {
    /// Whether the bytes start with the gzip header (RFC 1952). No text starts with it.
    fileprivate var isGzip: Bool { starts(with: [0x1f, 0x8b, 0x08]) }
}

extension Substring {
    fileprivate var trimmingSpace: Substring {
        var text = drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
