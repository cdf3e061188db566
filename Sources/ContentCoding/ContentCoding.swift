/// Undoes the content codings of an HTTP message (RFC 9110, section 8.4).
///
/// Pollux asks for none (`Accept-Encoding: identity`); some servers and gateways compress all the same.
package enum ContentCoding {
    /// Why a body cannot be decoded.
    package enum Failure: Error, Hashable {
        /// A coding other than gzip and deflate, by its name.
        case unknown(String)
        /// The body is damaged, cut, or not written in the coding that its header field names.
        case damaged
        /// The decoded body has more bytes than allowed.
        case tooLarge

        /// What is wrong, as half a sentence: "is compressed with br, which …".
        package var problem: String {
            switch self {
            case .unknown(let name): "is compressed with \(name), which Pollux cannot read"
            case .damaged: "is compressed and damaged"
            case .tooLarge: "is larger than allowed once it is decompressed"
            }
        }
    }

    /// The body without its codings, in at most `maxBytes` bytes.
    ///
    /// `encodings` is the value of `Content-Encoding`; nil for none. Decoding stops at the limit, so a small body that
    /// expands without end costs no more memory than the limit. Two common mistakes of servers are tolerated: a gzip
    /// body without the header field, and the header field beside a body that is not compressed.
    package static func decode(
        _ body: [UInt8], encodings: String?, maxBytes: Int
    ) throws(Failure) -> [UInt8] {
        let names = (encodings ?? "").split(separator: ",").map {
            $0.trimmingSpace.lowercased()
        }.filter { !$0.isEmpty && $0 != "identity" }
        // More layers than anybody writes would only cost time.
        guard names.count <= maxLayers else { throw .unknown(names.joined(separator: ", ")) }
        if names.isEmpty, !body.isGzip { return body.count <= maxBytes ? body : try tooLarge() }
        var decoded = body
        // The last coding was applied last.
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
            // "deflate" means the zlib format, but several servers send the bare stream (RFC 9110, section 8.4.1.2).
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
    /// Whether it begins as a gzip member with the one known method does (RFC 1952); no text begins so.
    fileprivate var isGzip: Bool { starts(with: [0x1f, 0x8b, 0x08]) }
}

extension Substring {
    fileprivate var trimmingSpace: Substring {
        var text = drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
