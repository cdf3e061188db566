import TaskModel
import VerbatimJSON

/// What an endpoint makes.
package enum EndpointKind: String, Sendable, CaseIterable {
    case image
    case video
    case audio
    /// Words, pages, ids.
    case text
}

extension EndpointProfile {
    /// What the endpoint makes, going by its name and by where its results stand; for people, nothing depends on it.
    package var kind: EndpointKind {
        let words: [(word: String, kind: EndpointKind)] = [
            ("video", .video), ("image", .image), ("audio", .audio), ("voice", .audio), ("midi", .audio),
            ("wav", .audio),
        ]
        if let named = words.first(where: { name.operation.contains($0.word) }) { return named.kind }
        let types = artefacts.lazy.compactMap { pointer in
            pointer.tokens.last { $0 != "*" }.flatMap(MediaTypeGuess.byName)
        }
        return types.compactMap { type in EndpointKind(rawValue: String(type.prefix { $0 != "/" })) }.first ?? .text
    }
}
