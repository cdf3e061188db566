import VerbatimJSON

/// Removes configured secrets from a provider's messages: tokens, signing secrets, and tokens that Pollux made with
/// them.
///
/// Providers repeat parts of requests, mostly in error messages, and Pollux stores and shows their replies. A secret is
/// found as it is, percent-encoded, and with JSON escapes, also mixed. Secrets of fewer than ``shortest`` bytes are not
/// replaced, because they may be ordinary words.
package struct SecretRedactor: Sendable {
    /// The replacement of a secret. It has no quotes or backslashes, so it is valid in any text.
    package static let mark = "(redacted)"
    /// The minimum length of a secret in bytes.
    package static let shortest = 16

    /// Longest first, so that a secret that contains a shorter one as prefix is replaced whole.
    private let secrets: [[UInt8]]
    /// The prefixes of made tokens.
    private let beginnings: [[UInt8]]
    /// The bytes with which a secret may begin, in any encoding.
    private let isStart: [Bool]

    /// Takes secrets, and prefixes of tokens. The rest of such a token consists of base64url characters and dots.
    package init(_ secrets: [String] = [], tokensBeginningWith beginnings: [String] = []) {
        self.secrets = Set(secrets.map { Array($0.utf8) }).filter { $0.count >= Self.shortest }
            .sorted { $0.count > $1.count }
        self.beginnings = beginnings.map { Array($0.utf8) }.filter { $0.count >= Self.shortest }
        var isStart = [Bool](repeating: false, count: 256)
        for first in (self.secrets + self.beginnings).compactMap(\.first) { isStart[Int(first)] = true }
        if !self.secrets.isEmpty {
            isStart[Int(UInt8(ascii: "%"))] = true
            isStart[Int(UInt8(ascii: "\\"))] = true
        }
        self.isStart = isStart
    }

    /// The same with further secrets.
    package func adding(_ more: [String]) -> SecretRedactor {
        SecretRedactor(
            secrets.map { String(decoding: $0, as: UTF8.self) } + more,
            tokensBeginningWith: beginnings.map { String(decoding: $0, as: UTF8.self) })
    }

    /// The body of a reply or a callback without secrets; JSON stays JSON.
    package func redacted(body: [UInt8]) -> [UInt8] {
        guard let redacted = redacted(body) else { return body }
        // A JSON escape can hide the start or the end of a secret; parsed values have no escapes.
        guard let document = try? JSONValue(parsing: body, limits: .lenient) else { return redacted }
        return self.redacted(document).utf8
    }

    /// A text without secrets.
    package func redacted(_ text: String) -> String {
        redacted(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) } ?? text
    }

    private func redacted(_ value: JSONValue) -> JSONValue {
        switch value {
        case .null, .bool: value
        // A secret may consist of digits.
        case .number(let number): redacted(Array(number.digits.utf8)) == nil ? value : .string(Self.mark)
        case .string(let text): .string(redacted(text))
        case .array(let elements): .array(elements.map { redacted($0) })
        case .object(let object):
            .object(JSONObject(object.members.map { (redacted($0.name), redacted($0.value)) }))
        }
    }

    /// Nil if there is no secret, which avoids a copy.
    private func redacted(_ bytes: [UInt8]) -> [UInt8]? {
        var kept: [UInt8] = []
        var begin = 0
        var place = 0
        while place < bytes.count {
            guard isStart[Int(bytes[place])], let end = end(ofSecretAt: place, in: bytes) else {
                place += 1
                continue
            }
            kept += bytes[begin..<place] + Array(Self.mark.utf8)
            (begin, place) = (end, end)
        }
        return begin > 0 ? kept + bytes[begin...] : nil
    }

    private func end(ofSecretAt start: Int, in bytes: [UInt8]) -> Int? {
        for secret in secrets {
            if let end = Self.end(of: secret, at: start, in: bytes) { return end }
        }
        for beginning in beginnings where bytes[start...].starts(with: beginning) {
            return bytes[(start + beginning.count)...].firstIndex { !Self.isOfToken($0) } ?? bytes.count
        }
        return nil
    }

    /// The end of the longest encoding of the secret that begins there; nil if there is none.
    private static func end(of secret: [UInt8], at start: Int, in bytes: [UInt8]) -> Int? {
        if let first = bytes.indices.contains(start + 1) ? bytes[start] : nil, !isEscape(first) {
            // The second byte excludes nearly every possible start.
            let second = bytes[start + 1]
            guard first == secret[0], second == secret[1] || isEscape(second) else { return nil }
        }
        // Encodings differ in length and may mix, so all positions are tracked. Usually there is one.
        var ends = [start]
        for byte in secret {
            var next: [Int] = []
            for end in ends {
                for length in lengths(of: byte, at: end, in: bytes) where !next.contains(end + length) {
                    next.append(end + length)
                }
            }
            guard !next.isEmpty else { return nil }
            ends = next
        }
        return ends.max()
    }

    /// The lengths of the encodings of a byte that start at this place.
    private static func lengths(of byte: UInt8, at place: Int, in bytes: [UInt8]) -> [Int] {
        guard place < bytes.count else { return [] }
        var lengths: [Int] = []
        if bytes[place] == byte { lengths.append(1) }
        if bytes[place] == UInt8(ascii: "%"), hex(bytes, place + 1..<place + 3) == byte { lengths.append(3) }
        guard bytes[place] == UInt8(ascii: "\\"), place + 1 < bytes.count else { return lengths }
        if bytes[place + 1] == byte, "\"\\/".utf8.contains(byte) { lengths.append(2) }
        if bytes[place + 1] == UInt8(ascii: "u"), hex(bytes, place + 2..<place + 4) == 0,
            hex(bytes, place + 4..<place + 6) == byte
        {
            lengths.append(6)
        }
        return lengths
    }

    private static func isEscape(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "%") || byte == UInt8(ascii: "\\") }

    private static func hex(_ bytes: [UInt8], _ range: Range<Int>) -> UInt8? {
        guard range.upperBound <= bytes.count else { return nil }
        return UInt8(String(decoding: bytes[range], as: UTF8.self), radix: 16)
    }

    private static func isOfToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
