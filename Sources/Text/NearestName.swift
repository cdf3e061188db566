/// Finds the known name that a misspelt name probably means.
package enum NearestName {
    /// The nearest of the known names; nil if none is within ``tolerance(for:)``.
    package static func of(_ name: String, among known: some Sequence<String>) -> String? {
        let limit = tolerance(for: name)
        return
            known
            .map { (name: $0, distance: distance(name, $0)) }
            .filter { $0.distance <= limit }
            .min { $0.distance < $1.distance }?
            .name
    }

    /// The number of characters of a name that are compared. The time is the product of both lengths.
    private static let compared = 128

    /// The largest distance at which a name is worth suggesting: a third of its letters, at least one.
    package static func tolerance(for name: String) -> Int { max(1, min(name.count, compared) / 3) }

    /// The number of edits between two names, ignoring case.
    ///
    /// Optimal string alignment: an insertion, a deletion, a substitution and a swap of neighbours cost one each.
    package static func distance(_ name: String, _ known: String) -> Int {
        let (left, right) = (Array(name.lowercased().prefix(compared)), Array(known.lowercased()))
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for row in 1...left.count {
            var current = [row]
            for column in 1...right.count {
                let isSame = left[row - 1] == right[column - 1]
                var cost = min(previous[column] + 1, current[column - 1] + 1, previous[column - 1] + (isSame ? 0 : 1))
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    cost = min(cost, beforePrevious[column - 2] + 1)
                }
                current.append(cost)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[right.count]
    }
}
