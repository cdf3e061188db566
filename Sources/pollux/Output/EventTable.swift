import FoundationEssentials
import VerbatimJSON
import LocalAPIContract

/// EventTable renders a task's log, one event per line.
enum EventTable {
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

    private static func states(of event: EventDocument) -> String {
        switch (event.from, event.to) {
        case (let from?, let to?) where from != to: "\(from) → \(to)"
        case (_, let to?): to
        case (_, nil): ""
        }
    }
}
