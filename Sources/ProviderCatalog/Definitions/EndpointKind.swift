import TaskModel
import VerbatimJSON

/// What an endpoint makes.
package enum EndpointKind: String, Sendable, CaseIterable {
    case image
    case video
    case audio
    /// Words, pages, ids.
    case text

    /// Guesses what the endpoint makes from its name and the places of its results. Only people see it.
    init(of name: EndpointName, results: [JSONPointer]) {
        let words: [(word: String, kind: EndpointKind)] = [
            ("video", .video), ("image", .image), ("audio", .audio), ("voice", .audio), ("midi", .audio),
            ("wav", .audio),
        ]
        if let named = words.first(where: { name.operation.contains($0.word) }) {
            self = named.kind
            return
        }
        let types = results.lazy.compactMap { pointer in
            pointer.tokens.last { $0 != "*" }.flatMap(MediaTypeGuess.byName)
        }
        self = types.compactMap { type in EndpointKind(rawValue: String(type.prefix { $0 != "/" })) }.first ?? .text
    }
}
