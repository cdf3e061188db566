import FoundationEssentials
import LocalAPIContract

/// Renders tasks, one per line.
enum TaskTable {
    static func table(_ tasks: [TaskDocument], now: Date) -> Table {
        Table(
            columns: [
                Table.Column(title: "ID", givesWay: 4, comfort: 19),
                Table.Column(title: "STATE"),
                Table.Column(title: "ENDPOINT", givesWay: 3, comfort: 14),
                Table.Column(title: "CREATED"),
                Table.Column(title: "TIME", isRightAligned: true),
                Table.Column(title: "LABELS", givesWay: 2),
                Table.Column(title: "NOTE", givesWay: 1),
            ],
            rows: tasks.map { row(for: $0, now: now) })
    }

    private static func row(for task: TaskDocument, now: Date) -> [Table.Cell] {
        let labels = task.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        let expectation = task.expectation(now: now)
        return [
            Table.Cell(task.id),
            Table.Cell(task.stateWords, Tint(state: task.state)),
            Table.Cell(task.endpoint),
            Table.Cell(DurationText.age(of: task.createdAt, now: now), .faint),
            Table.Cell(task.submittedAt == nil ? "" : task.elapsed(now: now).map(DurationText.span) ?? ""),
            Table.Cell(labels, .faint),
            Table.Cell(task.reason.isEmpty ? expectation : task.reason),
        ]
    }
}
