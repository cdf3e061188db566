/// Finds the name that was probably meant.
enum Spelling {
    /// The known name with the fewest letters to change; nil where none is near.
    static func nearest(to name: String, among known: [String]) -> String? {
        known.map { ($0, distance(Array(name.utf8), Array($0.utf8))) }
            .filter { $0.1 <= max(2, name.utf8.count / 3) }
            .min { $0.1 < $1.1 }?.0
    }

    /// Levenshtein's distance, row by row.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (line, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for column in right.indices {
                let replaced = diagonal + (letter == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
