import LocalAPIContract

/// DestinationTable renders the destinations of notifications, and what is not sent to them any more.
enum DestinationTable {
    static func lines(for destinations: [DestinationDocument], on terminal: Terminal) -> [String] {
        guard !destinations.isEmpty else {
            return ["No destinations are set. Name them in pollux.yaml under notifications.destinations."]
        }
        let table = Table(
            columns: [
                Table.Column(title: "NAME"),
                Table.Column(title: "STATE"),
                Table.Column(title: "WAITING", isRightAligned: true),
                Table.Column(title: "DEAD", isRightAligned: true),
                Table.Column(title: "TARGET", givesWay: 2),
                Table.Column(title: "LAST FAILURE", givesWay: 1),
            ],
            rows: destinations.map { destination in
                [
                    Table.Cell(destination.name),
                    Table.Cell(destination.state, destination.state == "open" ? .green : .yellow),
                    Table.Cell(String(destination.waiting)),
                    Table.Cell(String(destination.dead), destination.dead > 0 ? .yellow : nil),
                    Table.Cell(destination.target),
                    Table.Cell(destination.lastFailure.map { "\($0.at) \($0.reason)" } ?? "", .faint),
                ]
            })
        return table.lines(on: terminal)
    }

    static func lines(for letters: [DeadLetterDocument], on terminal: Terminal) -> [String] {
        guard !letters.isEmpty else { return ["Everything is delivered or waits for its next try."] }
        let table = Table(
            columns: [
                Table.Column(title: "DESTINATION"),
                Table.Column(title: "TASK"),
                Table.Column(title: "TYPE"),
                Table.Column(title: "AT"),
                Table.Column(title: "TRIES", isRightAligned: true),
                Table.Column(title: "REASON", givesWay: 1),
            ],
            rows: letters.map { letter in
                [
                    Table.Cell(letter.destination), Table.Cell(letter.taskID ?? ""), Table.Cell(letter.type),
                    Table.Cell(letter.at), Table.Cell(String(letter.attempts)), Table.Cell(letter.reason ?? ""),
                ]
            })
        return table.lines(on: terminal)
    }
}
