import LocalAPIContract

/// Renders events when they arrive, one line each. The widths are fixed, because later lines are not known.
enum StreamTable {
    private static let widths = (time: 8, id: 18, event: 19, state: 20, endpoint: 20)

    /// The heading of the columns.
    static func heading(on terminal: Terminal) -> String {
        terminal.paint(line(["TIME", "ID", "EVENT", "STATE", "ENDPOINT", "DETAIL"], on: terminal).joined(), .bold)
    }

    /// An event, its task, and the reason for the task's state.
    static func line(for document: StreamEventDocument, on terminal: Terminal) -> String {
        let (event, task) = (document.event, document.task)
        // The part of an RFC 3339 time from hours to seconds, in UTC.
        let time = String(event.at.dropFirst(11).prefix(8))
        let detail = task.reason.isEmpty ? labels(of: task) : task.reason
        let cells = line(
            [time, task.id, event.kind, EventTable.states(of: event), task.endpoint, detail], on: terminal)
        return zip(cells, [.faint, nil, nil, event.to.flatMap(Tint.init(state:)), nil, .faint] as [Tint?])
            .map { terminal.paint($0, $1) }.joined()
    }

    private static func labels(of task: TaskDocument) -> String {
        task.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }

    /// The cells, padded to their columns and cut to the width of the terminal.
    private static func line(_ texts: [String], on terminal: Terminal) -> [String] {
        var room = terminal.width ?? .max
        return zip(texts, [widths.time, widths.id, widths.event, widths.state, widths.endpoint, .max]).map {
            text, width in
            let cell = width == .max ? text.printable : text.printable.truncated(to: width).padded(to: width + 1)
            let shown = cell.truncated(to: max(0, room))
            room -= shown.columns
            return shown
        }
    }
}
