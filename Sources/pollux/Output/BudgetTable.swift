import LocalAPIContract

/// Renders budgets, a line per share.
enum BudgetTable {
    static func table(_ budgets: [BudgetDocument]) -> Table {
        Table(
            columns: [
                Table.Column(title: "BUDGET"), Table.Column(title: "SHARE", givesWay: 2),
                Table.Column(title: "LIMIT", isRightAligned: true),
                Table.Column(title: "SPENT", isRightAligned: true),
                Table.Column(title: "RESERVED", isRightAligned: true),
                Table.Column(title: "LEFT", isRightAligned: true), Table.Column(title: "UNIT"),
                Table.Column(title: "PER"), Table.Column(title: "UNTIL"), Table.Column(title: "SCOPE", givesWay: 1),
            ],
            rows: budgets.flatMap(rows))
    }

    private static func rows(for budget: BudgetDocument) -> [[Table.Cell]] {
        let shares: [BudgetDocument.Share?] = budget.shares.isEmpty ? [nil] : budget.shares
        let scope = budget.scope.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return shares.enumerated().map { index, share in
            let isFirst = index == 0
            return [
                Table.Cell(isFirst ? budget.name : ""), Table.Cell(share?.value ?? ""),
                Table.Cell(
                    budget.limit.amount + (budget.settingsLimit.map { " (\($0.amount))" } ?? ""),
                    budget.settingsLimit == nil ? nil : .yellow),
                Table.Cell(share?.spent.amount ?? "0"), Table.Cell(share?.reserved.amount ?? "0"),
                Table.Cell(share?.left.amount ?? budget.limit.amount, (share?.left.micros ?? 1) <= 0 ? .yellow : nil),
                Table.Cell(budget.limit.unit, .faint), Table.Cell(isFirst ? budget.per : ""),
                Table.Cell(isFirst ? budget.periodEnd ?? "" : ""), Table.Cell(isFirst ? scope : ""),
            ]
        }
    }
}
