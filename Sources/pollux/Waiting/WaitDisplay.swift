import FoundationEssentials
import LocalAPIContract

/// Renders tasks during a wait, as a pure function of the tasks, the time and the width.
struct WaitDisplay {
    /// With more tasks than this, one summary line is shown.
    private static let mostLines = 8
    private static let spinner = Array("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

    /// In the order of the command line.
    let tasks: [TaskDocument]

    /// One line per task, or one for all if there are many. No line is wider than the terminal.
    func lines(on terminal: Terminal, frame: Int) -> [String] {
        if tasks.count > Self.mostLines { return [summary(on: terminal, frame: frame)] }
        let endpoints = tasks.map(\.endpoint.printable.columns).max() ?? 0
        return tasks.map { line(for: $0, endpointWidth: endpoints, on: terminal, frame: frame) }
    }

    /// The line that is printed in a pipe when it changes.
    static func plainLine(for task: TaskDocument) -> String {
        let reason = task.reason
        return "\(task.id.printable) \(task.stateWords)" + (reason.isEmpty ? "" : ": \(reason)")
    }

    private func line(for task: TaskDocument, endpointWidth: Int, on terminal: Terminal, frame: Int) -> String {
        let elapsed = task.elapsed(now: terminal.now).map(DurationText.span) ?? ""
        var words: [String] = []
        if task.hasEnded {
            words.append(task.submittedAt == nil ? task.stateWords : "\(task.stateWords) in \(elapsed)")
            if task.state != "succeeded" { words.append(task.reason) }
        } else {
            words = [task.stateWords, elapsed, task.reason.isEmpty ? task.expectation(now: terminal.now) : task.reason]
        }
        let text = words.filter { !$0.isEmpty }.joined(separator: ", ")
        let shownHead = head(of: task, endpointWidth: endpointWidth, room: room(on: terminal) - min(text.columns, 40))
        let shownText = text.truncated(to: max(0, room(on: terminal) - shownHead.columns))
        let tint = Tint(state: task.state)
        return terminal.paint(mark(for: task, frame: frame), tint) + " " + terminal.paint(shownHead, .faint)
            + terminal.paint(shownText, tint)
    }

    /// The longest heading that fits: the state of the task matters more.
    private func head(of task: TaskDocument, endpointWidth: Int, room: Int) -> String {
        let id = task.id.printable
        let heads = ["\(id)  \(task.endpoint.printable.padded(to: endpointWidth))  ", "\(id)  "]
        return heads.first { $0.columns <= room } ?? "\(id.truncated(to: 14))  "
    }

    /// The columns beside the mark and its space. One stays empty so that the terminal does not wrap.
    private func room(on terminal: Terminal) -> Int { terminal.width.map { max(0, $0 - 3) } ?? 100_000 }

    private func mark(for task: TaskDocument, frame: Int) -> String {
        switch task.state {
        case "succeeded": "✓"
        case _ where task.hasEnded: "✗"
        case "uncertain": "?"
        default: String(Self.spinner[frame % Self.spinner.count])
        }
    }

    private func summary(on terminal: Terminal, frame: Int) -> String {
        let counts = TaskDocument.states.reversed().compactMap { state -> String? in
            let count = tasks.count { $0.state == state }
            return count == 0 ? nil : "\(count) \(state)"
        }
        var words = "\(tasks.count { $0.hasEnded }) of \(tasks.count) ended: " + counts.joined(separator: ", ")
        let open = tasks.filter { !$0.hasEnded }
        if let oldest = open.compactMap({ $0.elapsed(now: terminal.now) }).max() {
            words += "; the oldest for \(DurationText.span(oldest))"
        }
        if let last = open.compactMap({ $0.eta.flatMap { Date(rfc3339: $0.p50) } }).max(), last > terminal.now {
            words += "; about \(DurationText.short(last.timeIntervalSince(terminal.now))) left"
        }
        let mark = open.isEmpty ? "✓" : String(Self.spinner[frame % Self.spinner.count])
        return mark + " " + words.truncated(to: room(on: terminal))
    }
}
