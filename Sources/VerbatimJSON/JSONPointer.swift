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
    /// A value that a pointer reaches, and the way to it.
    package struct Located: Sendable, Hashable {
        /// Like the pointer, with the index of an element in place of `*`.
        package let path: [String]
        package let value: JSONValue
    }

    /// Every value that the pointer reaches, in document order; empty where the path does not exist.
    ///
    /// Where the pointer goes on inside a string, the string is read as a JSON document: some providers put their result
    /// into one (`"resultJson": "{\"resultUrls\": […]}"`).
    package func located(at pointer: JSONPointer) -> [Located] {
        pointer.tokens.reduce([Located(path: [], value: self)]) { reached, token in
            reached.flatMap { place -> [Located] in
                func at(_ token: String, _ value: JSONValue) -> Located {
                    Located(path: place.path + [token], value: value)
                }
                switch place.value.embedded ?? place.value {
                case .object(let object): return object[token].map { [at(token, $0)] } ?? []
                case .array(let elements) where token == "*":
                    return elements.enumerated().map { at("\($0.offset)", $0.element) }
                case .array(let elements):
                    return Int(token).flatMap { elements.indices.contains($0) ? [at(token, elements[$0])] : nil } ?? []
                case .null, .bool, .number, .string: return []
                }
            }
        }
    }

    /// Every value that the pointer reaches, as ``located(at:)`` does.
    package func values(at pointer: JSONPointer) -> [JSONValue] { located(at: pointer).map(\.value) }

    /// The first value that the pointer reaches.
    package func value(at pointer: JSONPointer) -> JSONValue? { values(at: pointer).first }

    /// The document that stands in a string; nil for anything else.
    private var embedded: JSONValue? {
        guard case .string(let text) = self, let first = text.first(where: { !$0.isWhitespace }), "{[".contains(first)
        else { return nil }
        // A string that only looks like JSON has no members.
        return try? JSONValue(parsing: text, limits: .lenient)
    }
}
