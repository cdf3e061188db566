package import TaskModel

extension ProviderCatalog {
    /// The names that a mistyped one may have meant, the likeliest first; empty where none is similar.
    ///
    /// A name comes near if about a third of its letters would have to change at most, or if its service is right.
    package func nearest(to text: String, limit: Int) -> [EndpointName] {
        // Names are at most 128 bytes long; a longer text is no misspelling, and comparing costs the product.
        let text = Array(text.lowercased().prefix(128))
        let service = text.prefix { $0 != "/" }
        let tolerated = max(2, text.count / 3)
        let candidates = endpoints.compactMap { profile -> (distance: Int, name: EndpointName)? in
            let distance = Self.distance(text, Array(profile.name.text.lowercased()))
            let isSameService = profile.name.service.lowercased() == String(service)
            guard isSameService || distance <= tolerated else { return nil }
            return (isSameService ? distance - tolerated : distance, profile.name)
        }
        return candidates.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(max(limit, 0)).map(\.name)
    }

    /// How many letters to insert, drop or replace (Levenshtein).
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var row = Array(0...right.count)
        for (i, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let changed = diagonal + (letter == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(changed, row[j] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
