import FoundationEssentials
import LocalAPIContract

/// The daemon about itself, for reading.
struct StatusCard {
    let status: StatusDocument

    func lines(on terminal: Terminal) -> [String] {
        var card = KeyValueList()
        card.add("up", "\(DurationText.span(status.uptimeSeconds)), since \(status.startedAt)")
        card.add("socket", status.socket)
        card.add("database", "\(status.database.path) (\(Self.size(status.database.sizeBytes)))")
        card.add("open tasks", counts(of: TaskDocument.openStates))
        card.add("ended tasks", counts(of: TaskDocument.endedStates))
        for provider in status.providers {
            let isWell = provider.token == "present" && provider.state == "open"
            card.add("provider", describe(provider), isWell ? nil : .yellow)
        }
        if let callbacks = status.callbacks {
            card.add(
                "callbacks",
                "\(callbacks.publicURL) leads to \(callbacks.listen): \(callbacks.deliveries) came, "
                    + "\(callbacks.unknownTokens) with unknown tokens")
            card.add("trouble", callbacks.problem, .yellow)
        }
        let title = "pollux \(status.version)".printable
        return [terminal.paint(title, .bold) + "  process \(status.pid)"] + card.lines(on: terminal)
    }

    private func counts(of states: [String]) -> String {
        let counted = states.compactMap { state in
            status.tasks[state].flatMap { $0 > 0 ? "\($0) \(state)" : nil }
        }
        return counted.isEmpty ? "none" : counted.joined(separator: ", ")
    }

    private func describe(_ provider: StatusDocument.Provider) -> String {
        "\(provider.name) at \(provider.baseURL), token \(provider.token), \(provider.state)"
            + (provider.reason.map { ": \($0)" } ?? "")
    }

    private static func size(_ bytes: Int) -> String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var tenths = max(0, bytes).multipliedReportingOverflow(by: 10).partialValue
        var unit = 0
        while tenths >= 10_000, unit < units.count - 1 {
            tenths /= 1000
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
