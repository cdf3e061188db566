/// Renders aligned columns, as wide as their content and no wider than the terminal.
struct Table {
    struct Column {
        let title: String
        var isRightAligned = false
        /// The order in which columns shrink on a narrow terminal; nil for columns that never do.
        var givesWay: Int?
        /// The width down to which it shrinks before the next column does.
        var comfort = 16
    }

    struct Cell {
        let text: String
        var tint: Tint?

        init(_ text: String, _ tint: Tint? = nil) {
            self.text = text.printable
            self.tint = tint
        }
    }

    let columns: [Column]
    var rows: [[Cell]]

    private static let gap = 2
    private static let narrowest = 6

    /// The lines without their line breaks; none without rows. A column without any content is omitted.
    func lines(on terminal: Terminal) -> [String] {
        guard !rows.isEmpty else { return [] }
        let shown = columns.indices.filter { column in rows.contains { !$0[column].text.isEmpty } }
        let widths = fitted(shown, to: terminal.width)
        let titles = columns.map { Cell($0.title, .faint) }
        return ([titles] + rows).map { row in
            line(of: row, shown: shown, widths: widths, terminal)
        }
    }

    private func line(of row: [Cell], shown: [Int], widths: [Int: Int], _ terminal: Terminal) -> String {
        var line = ""
        for column in shown {
            let width = widths[column] ?? 0
            let text = row[column].text.truncated(to: width)
            let isLast = column == shown.last && !columns[column].isRightAligned
            let padding = String(repeating: " ", count: isLast ? 0 : width - text.columns)
            let painted = terminal.paint(text, row[column].tint)
            line += (columns[column].isRightAligned ? padding + painted : painted + padding)
            if column != shown.last { line += String(repeating: " ", count: Self.gap) }
        }
        // Trailing spaces would wrap when the terminal becomes narrower.
        return String(line.reversed().drop { $0 == " " }.reversed())
    }

    private func fitted(_ shown: [Int], to limit: Int?) -> [Int: Int] {
        var widths: [Int: Int] = [:]
        for column in shown {
            widths[column] = rows.map { $0[column].text.columns }.reduce(columns[column].title.columns, max)
        }
        guard let limit else { return widths }
        var excess = widths.values.reduce(0, +) + Self.gap * max(0, shown.count - 1) - limit
        let yielding = shown.filter { columns[$0].givesWay != nil }
            .sorted { (columns[$0].givesWay ?? 0) < (columns[$1].givesWay ?? 0) }
        // First down to the comfortable width, then to the narrowest.
        for floor in [nil, Self.narrowest] {
            for column in yielding where excess > 0 {
                let width = widths[column] ?? 0
                let loss = max(0, min(excess, width - (floor ?? columns[column].comfort)))
                widths[column] = width - loss
                excess -= loss
            }
        }
        return widths
    }
}
