/// A JSON Pointer (RFC 6901) in which a `*` token stands for every element of an array.
package struct JSONPointer: Sendable, Hashable, CustomStringConvertible {
    /// The unescaped tokens; none points at the whole document.
    package let tokens: [String]

    /// Takes unescaped tokens.
    package init(tokens: [String]) {
        self.tokens = tokens
    }

    /// Reads `/response/data/*/url`; nil where a non-empty text does not begin with a slash.
    package init?(_ text: String) {
        guard !text.isEmpty else {
            tokens = []
            return
        }
        guard text.first == "/" else { return nil }
        tokens = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(Self.unescaped)
    }

    private static func unescaped(_ token: Substring) -> String {
        String(token).replacing("~1", with: "/").replacing("~0", with: "~")
    }

    package var description: String {
        tokens.map { "/" + $0.replacing("~", with: "~0").replacing("/", with: "~1") }.joined()
    }
}

extension JSONValue {
    /// Every value that the pointer reaches, in document order; empty where the path does not exist.
    package func values(at pointer: JSONPointer) -> [JSONValue] {
        pointer.tokens.reduce([self]) { reached, token in
            reached.flatMap { value -> [JSONValue] in
                switch value {
                case .object(let object): object[token].map { [$0] } ?? []
                case .array(let elements) where token == "*": elements
                case .array(let elements):
                    Int(token).flatMap { elements.indices.contains($0) ? [elements[$0]] : nil } ?? []
                case .null, .bool, .number, .string: []
                }
            }
        }
    }

    /// The first value that the pointer reaches.
    package func value(at pointer: JSONPointer) -> JSONValue? { values(at: pointer).first }
}
