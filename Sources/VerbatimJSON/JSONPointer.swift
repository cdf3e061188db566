/// A JSON Pointer (RFC 6901) with two extensions: a `*` token matches every array element, and `*[type=image]` those
/// elements whose member `type` is the text `image`.
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

    /// Whether it may match several values.
    package var matchesSeveral: Bool { tokens.contains { $0 == "*" || Self.condition(in: $0) != nil } }

    /// The first token that begins as a condition and is none.
    package var brokenCondition: String? {
        tokens.first { $0.hasPrefix("*[") && Self.condition(in: $0) == nil }
    }

    /// The condition of a token such as `*[type=image]`; nil for any other token.
    fileprivate static func condition(in token: String) -> (name: String, text: String)? {
        guard token.hasPrefix("*["), token.hasSuffix("]") else { return nil }
        let parts = token.dropFirst(2).dropLast().split(separator: "=", maxSplits: 1).map(String.init)
        return parts.count == 2 ? (parts[0], parts[1]) : nil
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
                    if let (name, text) = JSONPointer.condition(in: token) {
                        return elements.enumerated().filter { $0.element.object?[name]?.string == text }
                            .map { at("\($0.offset)", $0.element) }
                    }
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
