/// Decodes the escapes that templates and serializers add to a text.
enum TextEscapes {
    /// Decodes JSON and JavaScript backslash escapes. Unknown escapes lose their backslash.
    static func decodingBackslashes(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "\\")) else { return text }
        var decoded = String.UnicodeScalarView()
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            guard scalar == "\\", let escape = rest.popFirst() else {
                decoded.append(scalar)
                continue
            }
            switch escape {
            case "n", "r", "t", "b", "f": decoded.append(" ")
            case "u": decoded.append(contentsOf: unicode(&rest))
            default: decoded.append(escape)
            }
        }
        return String(decoded)
    }

    /// Decodes HTML entities. Returns nil if an entity is not one that serializers write.
    static func decodingEntities(_ text: String) -> String? {
        guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
        var decoded = ""
        var rest = text[...]
        while let start = rest.firstIndex(of: "&") {
            decoded += rest[..<start]
            let body = rest[rest.index(after: start)...]
            guard let end = body.firstIndex(of: ";"), body.distance(from: body.startIndex, to: end) <= 8,
                body[..<end].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "#") }),
                end > body.startIndex
            else {
                decoded += "&"
                rest = body
                continue
            }
            guard let character = entity(body[..<end]) else { return nil }
            decoded += character
            rest = body[body.index(after: end)...]
        }
        return decoded + rest
    }

    private static func entity(_ name: Substring) -> String? {
        if name.hasPrefix("#") {
            let digits = name.dropFirst()
            let isHexadecimal = digits.hasPrefix("x") || digits.hasPrefix("X")
            let code = isHexadecimal ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            return code.flatMap(Unicode.Scalar.init).map { String($0) }
        }
        return ["amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": " "][String(name)]
    }

    /// Decodes the four hexadecimal digits after `\u`, or a surrogate pair; empty if they are invalid.
    private static func unicode(_ rest: inout Substring.UnicodeScalarView) -> String.UnicodeScalarView {
        guard let first = unit(rest) else { return String.UnicodeScalarView() }
        rest = rest.dropFirst(4)
        var units = [first]
        if UTF16.isLeadSurrogate(first), rest.starts(with: "\\u".unicodeScalars), let second = unit(rest.dropFirst(2)) {
            units.append(second)
            rest = rest.dropFirst(6)
        }
        return String(decoding: units, as: UTF16.self).unicodeScalars
    }

    private static func unit(_ rest: Substring.UnicodeScalarView) -> UInt16? {
        let digits = rest.prefix(4)
        guard digits.count == 4 else { return nil }
        return UInt16(String(digits), radix: 16)
    }
}
