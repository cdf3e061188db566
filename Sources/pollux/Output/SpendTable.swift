import LocalAPIContract

/// Renders what was spent, a line per group and unit, with a bar.
enum SpendTable {
    private static let barWidth = 20

    static func table(_ spend: SpendDocument) -> Table {
        let sizes = spend.rows.flatMap(amounts)
        let title = spend.by.hasPrefix("label.") ? String(spend.by.dropFirst(6)) : spend.by
        return Table(
            columns: [
                Table.Column(title: title.uppercased(), givesWay: 1),
                Table.Column(title: "SPENT", isRightAligned: true),
                Table.Column(title: "RESERVED", isRightAligned: true),
                Table.Column(title: "UNIT"),
                Table.Column(title: "ATTEMPTS", isRightAligned: true),
                Table.Column(title: "UNPRICED", isRightAligned: true),
                Table.Column(title: ""),
            ],
            rows: spend.rows.flatMap { rows(for: $0, name: $0.key ?? "(none)", among: sizes) }
                + (spend.rows.count > 1 ? rows(for: spend.total, name: "total", among: []) : []))
    }

    /// What one unit of a group comes to.
    private struct Sum {
        let unit: String
        let spent: AmountDocument?
        let reserved: AmountDocument?
        var micros: Int { (spent?.micros ?? 0) + (reserved?.micros ?? 0) }
    }

    private static func amounts(of row: SpendDocument.Row) -> [Sum] {
        Set((row.spent + row.reserved).map(\.unit)).sorted().map { unit in
            Sum(
                unit: unit, spent: row.spent.first { $0.unit == unit }, reserved: row.reserved.first { $0.unit == unit }
            )
        }
    }

    private static func rows(for row: SpendDocument.Row, name: String, among all: [Sum]) -> [[Table.Cell]] {
        let sums = amounts(of: row)
        let lines: [Sum?] = sums.isEmpty ? [nil] : sums
        return lines.enumerated().map { index, sum in
            let most = all.filter { $0.unit == sum?.unit }.map(\.micros).max() ?? 0
            let isFirst = index == 0
            return [
                Table.Cell(isFirst ? name : ""),
                Table.Cell(sum?.spent?.amount ?? "", .bold),
                Table.Cell(sum?.reserved.flatMap { $0.micros == 0 ? nil : $0.amount } ?? ""),
                Table.Cell(sum?.unit ?? "", .faint),
                Table.Cell(isFirst ? String(row.attempts) : ""),
                Table.Cell(isFirst && row.unpriced > 0 ? String(row.unpriced) : "", .yellow),
                Table.Cell(bar(sum?.micros ?? 0, of: most), .faint),
            ]
        }
    }

    private static func bar(_ micros: Int, of most: Int) -> String {
        guard most > 0, micros > 0 else { return "" }
        return String(repeating: "█", count: max(1, Int(Double(micros) / Double(most) * Double(barWidth))))
    }
}
