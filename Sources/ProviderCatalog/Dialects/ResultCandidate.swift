import TaskModel
import VerbatimJSON

/// A text or number of a record that may be a result.
struct ResultCandidate {
    /// The name of its member; for a list's element, that of the list.
    let name: String
    let text: String
    let kind: TaskResult.Kind
    private let value: JSONValue
    private let path: [String]
    /// The number of path tokens that lead to the searched part.
    private let depth: Int

    /// All candidates in written order, except empty ones, echoed inputs and failed parts.
    static func all(
        in part: JSONObject, at path: [String], failed: (JSONObject) -> Bool
    ) -> [ResultCandidate] {
        var candidates: [ResultCandidate] = []
        collect(.object(part), name: "", path: path, depth: path.count, failed: failed, into: &candidates)
        return candidates
    }

    /// All candidates in a value at a place for results, under the name of the last member on the path.
    static func all(in value: JSONValue, at path: [String]) -> [ResultCandidate] {
        var candidates: [ResultCandidate] = []
        let name = path.last { Int($0) == nil } ?? ""
        collect(value, name: name, path: path, depth: path.count, failed: { _ in false }, into: &candidates)
        return candidates
    }

    /// One result for each value, at its first place.
    static func results(_ candidates: [ResultCandidate]) -> [TaskResult] {
        var seen: Set<String> = []
        return candidates.filter { seen.insert($0.text).inserted }.map(\.result)
    }

    private static func collect(
        _ value: JSONValue, name: String, path: [String], depth: Int, failed: (JSONObject) -> Bool,
        into candidates: inout [ResultCandidate]
    ) {
        switch value {
        case .string, .number:
            if let candidate = ResultCandidate(name: name, value: value, path: path, depth: depth) {
                candidates.append(candidate)
            }
        case .array(let elements):
            for (index, element) in elements.enumerated() {
                collect(element, name: name, path: path + ["\(index)"], depth: depth, failed: failed, into: &candidates)
            }
        case .object(let object):
            // The whole may report failure although one part of two succeeded.
            guard path.count == depth || !failed(object) else { return }
            for member in object.members where member.name != "request" {
                collect(
                    member.value, name: member.name, path: path + [member.name], depth: depth, failed: failed,
                    into: &candidates)
            }
        case .null, .bool:
            break
        }
    }

    private init?(name: String, value: JSONValue, path: [String], depth: Int) {
        switch value {
        case .string(let text) where !text.allSatisfy(\.isWhitespace): self.text = text
        case .number(let number) where number.double != 0: text = number.digits
        default: return nil
        }
        self.name = name
        self.value = value
        self.path = path
        self.depth = depth
        kind = Self.kind(of: text, name: name)
    }

    private static func kind(of text: String, name: String) -> TaskResult.Kind {
        if name.contains("b64") || name.contains("base64") || isInlineData(text) { return .data }
        if name == "data", isBase64(text) { return .data }
        if isAddress(text) { return .url }
        return name == "id" || name.hasSuffix("_id") ? .id : .text
    }

    /// Whether the text has a scheme, and no character that is invalid in an address.
    private static func isAddress(_ text: String) -> Bool {
        guard text.utf8.count <= 8192, let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")),
            text[colon...].hasPrefix("://"), colon != text.startIndex
        else { return false }
        return text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7f }
    }

    /// Nothing but whole base64, and too long to be a word.
    private static func isBase64(_ text: String) -> Bool {
        text.utf8.count >= 64 && text.utf8.count.isMultiple(of: 4)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="):
                    true
                default: false
                }
            }
    }

    /// `data:image/png;base64,…` (RFC 2397).
    private static func isInlineData(_ text: String) -> Bool {
        text.hasPrefix("data:") && text.utf8.prefix(128).contains(UInt8(ascii: ","))
    }

    /// Whether it is at that place of the searched part, in a list there or below it; `*` matches any element.
    func stands(at place: ArraySlice<String>) -> Bool {
        let tokens = path.dropFirst(depth)
        return tokens.count >= place.count && zip(tokens, place).allSatisfy { $1 == "*" || $0 == $1 }
    }

    var result: TaskResult {
        let isLarge = kind == .data && text.utf8.count > Self.largestInlineData
        return TaskResult(
            kind: kind, pointer: JSONPointer(tokens: path), value: isLarge ? .null : value,
            mediaType: MediaTypeGuess.mediaType(of: text, kind: kind, name: name),
            sizeInBytes: kind == .data ? Self.decodedSize(text) : nil)
    }

    /// The limit in characters. Longer data stays in the record and is not repeated.
    private static let largestInlineData = 4096

    /// The decoded size: three bytes for four characters, without the prefix and the padding.
    private static func decodedSize(_ text: String) -> Int {
        let letters = text.utf8.lastIndex(of: UInt8(ascii: ",")).map { text.utf8[text.utf8.index(after: $0)...] }
        let count = (letters ?? text.utf8[...]).count { byte in
            switch byte {
            case UInt8(ascii: "="), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: " "): false
            default: true
            }
        }
        return count * 3 / 4
    }
}
