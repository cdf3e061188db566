import Text

/// A text with placeholders: `{id}`, or `{+id}`, which does not escape slashes (as in RFC 6570).
struct Template: Sendable, Hashable {
    enum Piece: Sendable, Hashable {
        case text(String)
        case place(name: String, keepsSlashes: Bool)
    }

    let pieces: [Piece]

    /// Parses a template; nil if braces do not match or a name is invalid.
    init?(_ text: String) {
        var pieces: [Piece] = []
        var rest = text[...]
        while !rest.isEmpty {
            let plain = rest.prefix { $0 != "{" && $0 != "}" }
            if !plain.isEmpty { pieces.append(.text(String(plain))) }
            rest = rest.dropFirst(plain.count)
            guard rest.first == "{" else {
                if rest.isEmpty { break }
                return nil
            }
            var name = rest.dropFirst().prefix { $0 != "}" && $0 != "{" }
            guard rest.dropFirst(name.count + 1).first == "}" else { return nil }
            rest = rest.dropFirst(name.count + 2)
            let keepsSlashes = name.first == "+"
            if keepsSlashes { name = name.dropFirst() }
            guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_-.".contains($0)) })
            else { return nil }
            pieces.append(.place(name: String(name), keepsSlashes: keepsSlashes))
        }
        self.pieces = pieces
    }

    /// The names of its placeholders.
    var names: [String] {
        pieces.compactMap { piece in
            if case .place(let name, _) = piece { name } else { nil }
        }
    }

    /// The text with every value filled in and escaped for an address.
    func filled(_ value: (String) -> String?) throws(RequestProblem) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let plain): text += plain
            case .place(let name, let keepsSlashes):
                guard let filling = value(name), !filling.isEmpty else { throw RequestProblem(name, "is missing") }
                text += try Self.escaped(filling, name: name, keepsSlashes: keepsSlashes)
            }
        }
        return text
    }

    /// The text with every value filled in without escapes; nil if a value is missing.
    func plain(_ value: (String) -> String?) -> String? {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let plain): text += plain
            case .place(let name, _):
                guard let filling = value(name) else { return nil }
                text += filling
            }
        }
        return text
    }

    private static func escaped(_ text: String, name: String, keepsSlashes: Bool) throws(RequestProblem) -> String {
        // A `..` segment would lead to another route of the provider, and to another bill.
        let segments = text.split(separator: "/", omittingEmptySubsequences: false)
        guard !segments.contains("."), !segments.contains(".."), !keepsSlashes || !segments.contains("") else {
            throw RequestProblem(name, "\"\(text.prefix(100))\" is not valid in an address")
        }
        return text.percentEncoded(keeping: keepsSlashes ? ":/" : ":")
    }
}
