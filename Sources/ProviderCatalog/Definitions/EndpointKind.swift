import TaskModel
import VerbatimJSON

/// The kind of content that an endpoint makes.
package enum EndpointKind: String, Sendable, CaseIterable {
    case image
    case video
    case audio
    /// Text, pages or ids.
    case text

    /// Guesses the kind from the endpoint's name and the pointers to its results. It is only shown, never used to
    /// decide.
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
