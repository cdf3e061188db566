import LocalAPIContract
import VerbatimJSON

/// Renders the results of a task for reading and copying.
struct ResultLines {
    let results: [TaskDocument.Result]
    /// The record of the results. It distinguishes a list index from a member name of digits.
    var record = JSONValue.null

    /// The line of a task that has succeeded without results.
    static let none = "none: the provider reports success without a result"

    /// An address or id has its own line, so that a double click selects it. A text keeps its lines.
    var lines: [String] { results.flatMap(lines(for:)) }

    private func lines(for result: TaskDocument.Result) -> [String] {
        guard result.kind == "data" else {
            let text = result.value.string ?? result.value.text
            return text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }
        }
        let size = result.sizeBytes.map { ", \($0) bytes" } ?? ""
        let way = "pollux show ID --response | jq -r \(path(to: result.pointer).quotedForShell) | base64 -d"
        return ["(\(result.mediaType ?? "data")\(size), in base64: \(way))".printable]
    }

    /// The place in jq's syntax, for any member name.
    private func path(to pointer: String) -> String {
        var value: JSONValue? = record
        var path = "."
        for token in JSONPointer(pointer)?.tokens ?? [] {
            let isPlace = Int(token) != nil && value?.object == nil
            path += isPlace ? "[\(token)]" : "[\(token.quotedForJQ)]"
            value = value?.values(at: JSONPointer(tokens: [token])).first
        }
        return path
    }
}

extension String {
    /// The text as a string of jq, in printable ASCII. A backslash is escaped, so that jq does not run `\(…)`.
    fileprivate var quotedForJQ: String {
        let escaped = utf16.map { unit -> String in
            guard (0x20...0x7e).contains(unit) else {
                let digits = String(unit, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
            let character = String(Character(Unicode.Scalar(UInt8(unit))))
            return "\"\\".contains(character) ? "\\" + character : character
        }
        return "\"\(escaped.joined())\""
    }
}
