import FoundationEssentials
import VerbatimJSON
import LocalAPIContract

/// Renders a task's log, one event per line.
enum EventTable {
    /// The log, or when it was removed.
    static func lines(for log: EventPage, on terminal: Terminal) -> [String] {
        let removed = log.removedAt.map { ["The log of this task was removed on \($0.printable)."] } ?? []
        return removed
            + (log.events.isEmpty && !removed.isEmpty ? [] : table(log.events, now: terminal.now).lines(on: terminal))
    }

    static func table(_ events: [EventDocument], now: Date) -> Table {
        Table(
            columns: [
                Table.Column(title: "AT"),
                Table.Column(title: "AGE"),
                Table.Column(title: "EVENT"),
                Table.Column(title: "STATE"),
                Table.Column(title: "DETAIL", givesWay: 1),
            ],
            rows: events.map { event in
                [
                    Table.Cell(event.at),
                    Table.Cell(DurationText.age(of: event.at, now: now), .faint),
                    Table.Cell(event.kind),
                    Table.Cell(states(of: event), event.to.flatMap(Tint.init(state:))),
                    Table.Cell(event.detail.isNull || event.detail == [:] ? "" : event.detail.text, .faint),
                ]
            })
    }

    /// The change of state.
    static func states(of event: EventDocument) -> String {
        switch (event.from, event.to) {
        case (let from?, let to?) where from != to: "\(from) → \(to)"
        case (_, let to?): to
        case (let from, nil): from ?? ""
        }
    }
}
