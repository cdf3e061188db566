extension String {
    /// The text with every byte escaped, except RFC 3986's unreserved characters and those of `kept`. For query values.
    package func percentEncoded(keeping kept: String = "") -> String {
        func stays(_ byte: UInt8) -> Bool { byte.isUnreserved || kept.utf8.contains(byte) }
        // Most texts are ids and need no escape.
        guard !utf8.allSatisfy(stays) else { return self }
        return utf8.map { stays($0) ? String(Unicode.Scalar($0)) : $0.percentEscape }.joined()
    }

    /// The text encoded as one path segment.
    ///
    /// A segment that consists of dots is escaped too. A client may resolve it (RFC 3986, section 5.2.4) and request
    /// another path.
    package var percentEncodedSegment: String {
        guard !utf8.allSatisfy({ $0 == UInt8(ascii: ".") }) else { return utf8.map(\.percentEscape).joined() }
        return percentEncoded()
    }

    /// The text with its escapes decoded; nil if an escape is malformed or the result is not UTF-8.
    package var percentDecoded: String? {
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let decoded = [UInt8](hex: String(decoding: rest.prefix(2), as: UTF8.self)), decoded.count == 1 else {
                return nil
            }
            bytes += decoded
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate var isUnreserved: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    fileprivate var percentEscape: String {
        "%" + (self < 16 ? "0" : "") + String(self, radix: 16, uppercase: true)
    }
}
