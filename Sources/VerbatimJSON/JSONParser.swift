/// A JSON parse error and its position.
package struct JSONSyntaxError: Error, Hashable {
    /// The problem as a phrase: "expected a value".
    package let problem: String
    /// The offset in bytes.
    package let offset: Int

    package init(problem: String, offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    /// The message for users.
    package var message: String { "Not valid JSON: \(problem) at byte \(offset)." }
}

/// The limits of the JSON parser.
package struct JSONLimits: Sendable {
    /// The maximum nesting depth, which protects the stack.
    package var maxDepth: Int
    /// Whether duplicate names, unpaired surrogates and numbers such as `NaN` are errors. Otherwise the last value
    /// wins, U+FFFD replaces the surrogate, and the number becomes a string.
    package var isStrict: Bool

    /// Creates limits.
    package init(maxDepth: Int, isStrict: Bool) {
        self.maxDepth = maxDepth
        self.isStrict = isStrict
    }

    /// For requests of local clients: ambiguous input is rejected.
    package static let strict = JSONLimits(maxDepth: 128, isStrict: true)
    /// For provider replies: servers truncate text inside an emoji, and a paid result must stay readable.
    package static let lenient = JSONLimits(maxDepth: 512, isStrict: false)
}

extension JSONValue {
    /// Parses one JSON document (RFC 8259) from UTF-8 bytes.
    package init(parsing bytes: some Collection<UInt8>, limits: JSONLimits = .strict) throws(JSONSyntaxError) {
        var parser = JSONParser(bytes: Array(bytes), limits: limits)
        self = try parser.document()
    }

    /// Parses one JSON document from text.
    package init(parsing text: String, limits: JSONLimits = .strict) throws(JSONSyntaxError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }
}

/// A recursive-descent parser over bytes. `index` is the next unread byte.
private struct JSONParser {
    let bytes: [UInt8]
    let limits: JSONLimits
    var index = 0
    var depth = 0

    init(bytes: [UInt8], limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    mutating func document() throws(JSONSyntaxError) -> JSONValue {
        // A byte order mark is not part of the document (RFC 8259, section 8.1).
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { index = 3 }
        let value = try value()
        skipSpace()
        guard index == bytes.count else { throw error("unexpected text after the document") }
        return value
    }

    private mutating func value() throws(JSONSyntaxError) -> JSONValue {
        skipSpace()
        guard let byte = peek() else { throw error("the text ends where a value should be") }
        if !limits.isStrict, let word = nonFinite(from: byte) { return .string(word) }
        switch byte {
        case UInt8(ascii: "{"): return try nested { parser throws(JSONSyntaxError) in try parser.object() }
        case UInt8(ascii: "["): return try nested { parser throws(JSONSyntaxError) in try parser.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: throw error("expected a value")
        }
    }

    private mutating func nested(
        _ body: (inout JSONParser) throws(JSONSyntaxError) -> JSONValue
    ) throws(JSONSyntaxError) -> JSONValue {
        guard depth < limits.maxDepth else { throw error("nested deeper than \(limits.maxDepth) levels") }
        depth += 1
        let value = try body(&self)
        depth -= 1
        return value
    }

    private mutating func object() throws(JSONSyntaxError) -> JSONValue {
        index += 1
        var members = DistinctMembers()
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(JSONObject(distinct: [])) }
        while true {
            skipSpace()
            guard peek() == UInt8(ascii: "\"") else { throw error("expected a member name in quotes") }
            let nameStart = index
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("expected ':' after a member name") }
            let isNew = members.set(JSONObject.Member(name, try value()))
            guard isNew || !limits.isStrict else {
                throw error("the member \"\(name)\" occurs twice", at: nameStart)
            }
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(JSONObject(distinct: members.inOrder)) }
            guard take(UInt8(ascii: ",")) else { throw error("expected ',' or '}'") }
        }
    }

    private mutating func array() throws(JSONSyntaxError) -> JSONValue {
        index += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        while true {
            elements.append(try value())
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw error("expected ',' or ']'") }
        }
    }

    private mutating func number() throws(JSONSyntaxError) -> JSONNumber {
        let start = index
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return JSONNumber(validated: String(decoding: bytes[start..<index], as: UTF8.self))
    }

    /// Reads a non-finite number as C, Python and JavaScript write it. Returns nil and reads nothing otherwise.
    private mutating func nonFinite(from byte: UInt8) -> String? {
        guard "-NnIi".utf8.contains(byte) else { return nil }
        let rest = bytes[index...]
        guard let word = Self.nonFiniteNumbers.first(where: { rest.starts(with: $0.utf8) }) else { return nil }
        index += word.utf8.count
        return word
    }

    /// Longer words come before their prefixes.
    private static let nonFiniteNumbers = [
        "NaN", "nan", "-NaN", "-nan", "Infinity", "-Infinity", "infinity", "-infinity", "inf", "-inf", "Inf", "-Inf",
    ]

    private mutating func digits() throws(JSONSyntaxError) {
        let start = index
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        guard index > start else { throw error("expected a digit") }
    }

    private mutating func string() throws(JSONSyntaxError) -> String {
        let start = index
        index += 1
        skipPlain()
        // Most strings have no escapes and are read in one run.
        if peek() == UInt8(ascii: "\"") {
            defer { index += 1 }
            return try text(bytes[(start + 1)..<index], at: start)
        }
        var unescaped = Array(bytes[(start + 1)..<index])
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return try text(unescaped[...], at: start)
            case UInt8(ascii: "\\"):
                unescaped.append(contentsOf: String(try escape()).utf8)
            case 0..<0x20:
                throw error("a control character inside a string")
            default:
                let runStart = index
                skipPlain()
                unescaped.append(contentsOf: bytes[runStart..<index])
            }
        }
        throw error("a string without its closing quote", at: start)
    }

    /// Skips characters that need no escape.
    private mutating func skipPlain() {
        index = bytes.withUnsafeBufferPointer { $0.nextEscape(from: index) }
    }

    private func text(_ characters: ArraySlice<UInt8>, at start: Int) throws(JSONSyntaxError) -> String {
        // Most text is ASCII, and this check is faster than full UTF-8 validation.
        if characters.allSatisfy({ $0 < 0x80 }) { return String(decoding: characters, as: UTF8.self) }
        if let text = String(validating: characters, as: UTF8.self) { return text }
        guard !limits.isStrict else { throw error("a string that is not UTF-8", at: start) }
        return String(decoding: characters, as: UTF8.self)
    }

    private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
        let start = index
        index += 1
        guard let byte = peek() else { throw error("the text ends inside an escape") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape(from: start)
        default: throw error("an unknown escape", at: start)
        }
    }

    private mutating func unicodeEscape(from start: Int) throws(JSONSyntaxError) -> Unicode.Scalar {
        let first = try hexQuad()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A low surrogate must follow a high one: \ud83d\ude00.
        let resume = index
        if first < 0xdc00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
            let second = try hexQuad()
            if (0xdc00...0xdfff).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
            {
                return scalar
            }
        }
        guard !limits.isStrict else { throw error("half of a surrogate pair", at: start) }
        index = resume
        return "\u{fffd}"
    }

    private mutating func hexQuad() throws(JSONSyntaxError) -> UInt32 {
        guard index + 4 <= bytes.count,
            bytes[index..<index + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16)
        else { throw error("expected four hexadecimal digits") }
        index += 4
        return value
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
        let isThere = word.withUTF8Buffer { bytes[index...].starts(with: $0) }
        guard isThere else { throw error("expected a value") }
        index += word.utf8CodeUnitCount
        return value
    }

    private func peek() -> UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
    }

    private func error(_ problem: String, at offset: Int? = nil) -> JSONSyntaxError {
        JSONSyntaxError(problem: problem, offset: offset ?? index)
    }
}

/// Collects the members of an object during parsing.
private struct DistinctMembers {
    /// Up to this many names, linear search is faster than a hash table.
    private static let few = 16

    private(set) var inOrder: [JSONObject.Member] = []
    private var places: [String: Int] = [:]

    /// Appends the member or replaces the one with the same name. Returns whether the name is new.
    mutating func set(_ member: JSONObject.Member) -> Bool {
        if let place = place(of: member.name) {
            inOrder[place] = member
            return false
        }
        inOrder.append(member)
        if inOrder.count > Self.few { remember() }
        return true
    }

    private func place(of name: String) -> Int? {
        inOrder.count > Self.few ? places[name] : inOrder.firstIndex { $0.name == name }
    }

    private mutating func remember() {
        for place in places.count..<inOrder.count { places[inOrder[place].name] = place }
    }
}
