import FoundationEssentials
import LocalAPIContract

/// Renders endpoints, one per line.
enum EndpointTable {
    static func table(_ endpoints: [EndpointDocument], now: Date) -> Table {
        Table(
            columns: [
                Table.Column(title: "ENDPOINT"),
                Table.Column(title: "STATE"),
                Table.Column(title: "IN FLIGHT", isRightAligned: true),
                Table.Column(title: "QUEUED", isRightAligned: true),
                Table.Column(title: "UNCERTAIN", isRightAligned: true),
                Table.Column(title: "P50", isRightAligned: true),
                Table.Column(title: "P90", isRightAligned: true),
                Table.Column(title: "TASKS", isRightAligned: true),
                Table.Column(title: "CALLS/TASK", isRightAligned: true),
                Table.Column(title: "LATE", isRightAligned: true),
                Table.Column(title: "CALLBACKS", isRightAligned: true),
                Table.Column(title: "429", isRightAligned: true),
                Table.Column(title: "PRICE", givesWay: 2),
                Table.Column(title: "NOTE", givesWay: 1),
            ],
            rows: endpoints.map { row(for: $0, now: now) })
    }

    private static func row(for endpoint: EndpointDocument, now: Date) -> [Table.Cell] {
        let p50 = endpoint.learned.map { DurationText.span($0.p50Seconds) }
        let typical = endpoint.typicalSeconds.map { "~" + DurationText.span($0) }
        return [
            Table.Cell(endpoint.name),
            Table.Cell(endpoint.state.replacing("_", with: " "), Tint(state: endpoint.state)),
            Table.Cell("\(endpoint.inFlight)" + (endpoint.maxInFlight.map { "/\($0)" } ?? "")),
            Table.Cell("\(endpoint.queued)", endpoint.queued == 0 ? .faint : nil),
            Table.Cell("\(endpoint.uncertain)", endpoint.uncertain == 0 ? .faint : .yellow),
            Table.Cell(p50 ?? typical ?? ""),
            Table.Cell(endpoint.learned.map { DurationText.span($0.p90Seconds) } ?? ""),
            Table.Cell(endpoint.learned.map { String($0.samples) } ?? ""),
            Table.Cell(endpoint.callsPerTask.map(tenths) ?? ""),
            Table.Cell(endpoint.meanLatenessSeconds.map { tenths($0) + "s" } ?? ""),
            Table.Cell(endpoint.callbacks.map { "\($0.came)/\($0.expected)" } ?? ""),
            Table.Cell(endpoint.throttled == 0 ? "" : String(endpoint.throttled), .yellow),
            Table.Cell(endpoint.price?.words ?? ""),
            Table.Cell(note(on: endpoint, now: now)),
        ]
    }

    static func tenths(_ number: Double) -> String {
        let tenths = Int((max(0, min(number, 1e9)) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func note(on endpoint: EndpointDocument, now: Date) -> String {
        var notes: [String] = []
        if let reason = endpoint.reason { notes.append(reason) }
        if let until = endpoint.until { notes.append("resumes \(DurationText.age(of: until, now: now))") }
        if let error = endpoint.lastError {
            notes.append("last error \(DurationText.age(of: error.at, now: now)): \(error.code)")
        }
        if let unrecognised = endpoint.unrecognised {
            let age = DurationText.age(of: unrecognised.lastAt, now: now)
            notes.append("\(unrecognised.count) unrecognised records, the last \(age)")
        }
        return notes.joined(separator: "; ")
    }
}
