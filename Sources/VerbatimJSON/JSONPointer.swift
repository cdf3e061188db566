/// A JSON Pointer (RFC 6901) with an extension: a `*` token matches every array element.
package struct JSONPointer: Sendable, Hashable, CustomStringConvertible {
    /// The unescaped tokens. An empty list is the whole document.
    package let tokens: [String]

    /// Creates a pointer from unescaped tokens.
    package init(tokens: [String]) {
        self.tokens = tokens
    }

    /// Parses `/response/data/*/url`; nil if a non-empty text does not begin with a slash.
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
    /// A value that a pointer matches, and its path.
    package struct Located: Sendable, Hashable {
        /// The pointer with array indices in place of `*`.
        package let path: [String]
        package let value: JSONValue
    }

    /// All values that the pointer matches, in document order; empty if there are none.
    ///
    /// If the pointer continues into a string, the string is parsed as JSON. Some providers nest their result this
    /// way (`"resultJson": "{\"resultUrls\": […]}"`).
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

    /// All values that the pointer matches, as in ``located(at:)``.
    package func values(at pointer: JSONPointer) -> [JSONValue] { located(at: pointer).map(\.value) }

    /// The first value that the pointer matches.
    package func value(at pointer: JSONPointer) -> JSONValue? { values(at: pointer).first }

    /// The document nested in a string; nil for anything else.
    private var embedded: JSONValue? {
        guard case .string(let text) = self, let first = text.first(where: { !$0.isWhitespace }), "{[".contains(first)
        else { return nil }
        // Only objects and arrays have members, so other text is not parsed.
        return try? JSONValue(parsing: text, limits: .lenient)
    }
}
