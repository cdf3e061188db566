import VerbatimJSON

/// The result of a call.
struct ToolResult: Sendable {
    var content: [JSONValue]
    var structured: JSONValue?
    var isError = false
    /// The ended tasks of this agent that it shows.
    var shown: [String] = []

    /// An error that the model can do something about.
    init(error message: String) {
        content = [Self.text(message)]
        isError = true
    }

    init(_ text: String, _ structured: JSONValue, links: [JSONValue] = [], shown: [String] = []) {
        content = [Self.text(text)] + links
        self.structured = structured.withoutControls
        self.shown = shown
    }

    var json: JSONObject {
        var members = JSONObject([("content", .array(content))])
        members["structuredContent"] = structured
        if isError { members["isError"] = true }
        return members
    }

    /// Lines without control characters: a host may show them in a terminal.
    private static func text(_ text: String) -> JSONValue {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }
        return ["type": "text", "text": .string(lines.joined(separator: "\n"))]
    }
}

extension JSONValue {
    /// The value with spaces in place of control characters, except line feeds.
    fileprivate var withoutControls: JSONValue {
        switch self {
        case .null, .bool, .number: self
        case .string(let text):
            .string(
                text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }
                    .joined(separator: "\n"))
        case .array(let elements): .array(elements.map(\.withoutControls))
        case .object(let object):
            .object(JSONObject(object.members.map { ($0.name.printable, $0.value.withoutControls) }))
        }
    }
}
