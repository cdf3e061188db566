import Foundation

/// Collects the figures: prints each at once, and writes them as JSON and as a picture at the end.
final class Report {
    struct Line: Encodable {
        let name: String
        var value: Double?
        var unit: String = ""
        var limit: Double?
        var limitName: String?
        var ratio: Double?
        var bar: Double?
        var isMet: Bool?
        var note: String?
    }

    /// The picture that a point belongs to.
    enum Panel: String, CaseIterable, Encodable {
        case cost = "µs per poll and per submit, by number of running tasks"
        case start = "seconds after the start, by number of running tasks"
    }

    struct Point: Encodable {
        let panel: Panel
        let series: String
        let tasks: Int
        let value: Double
    }

    private(set) var lines: [Line] = []
    private(set) var points: [Point] = []

    func add(_ name: String, _ value: Double, _ unit: String, note: String? = nil) {
        append(Line(name: name, value: value, unit: unit, note: note))
    }

    /// Adds a figure with its limit: absolute, or as a share of the bare limit.
    func add(
        _ name: String, _ value: Double, _ unit: String, limit: Double? = nil, of limitName: String? = nil,
        bar: Double? = nil, below: Bool = false
    ) {
        let ratio = limit.map { value / $0 }
        let measured = ratio ?? value
        append(
            Line(
                name: name, value: value, unit: unit, limit: limit, limitName: limitName, ratio: ratio, bar: bar,
                isMet: bar.map { below ? measured <= $0 : measured >= $0 }))
    }

    func add(
        _ name: String, _ outcome: LoadGenerator.Outcome, limit: Double?, of limitName: String, bar: Double? = nil,
        promise: String? = nil
    ) {
        let ratio = limit.map { outcome.perSecond / $0 }
        var note = outcome.latencies.words
        if outcome.refused > 0 { note += ", \(outcome.refused) REFUSED" }
        if let promise { note += "; " + promise }
        append(
            Line(
                name: name, value: outcome.perSecond, unit: "/s", limit: limit, limitName: limitName, ratio: ratio,
                bar: bar, isMet: bar.map { (ratio ?? 0) >= $0 && outcome.refused == 0 }, note: note))
    }

    /// Notes a figure that cannot be measured here.
    func skip(_ name: String, _ why: String) {
        append(Line(name: name, note: "skipped: \(why)"))
    }

    func plot(_ series: String, at tasks: Int, _ value: Double, in panel: Panel) {
        points.append(Point(panel: panel, series: series, tasks: tasks, value: value))
    }

    private func append(_ line: Line) {
        lines.append(line)
        let value = line.value.map { Self.text($0) + line.unit } ?? ""
        var text = line.name.padding(toLength: max(62, line.name.count), withPad: " ", startingAt: 0)
        text += String(repeating: " ", count: max(0, 14 - value.count)) + value
        if let ratio = line.ratio { text += "  \(String(format: "%.2f", ratio))× of \(line.limitName ?? "")" }
        if let bar = line.bar { text += "  [bar \(bar): \(line.isMet == true ? "met" : "MISSED")]" }
        if let note = line.note { text += "  (\(note))" }
        print(text)
        fflush(nil)
    }

    private static func text(_ value: Double) -> String {
        value >= 100 ? Int(value).formatted() : String(format: value >= 1 ? "%.1f" : "%.3f", value)
    }

    /// Writes results.json and cost.svg.
    func write(to directory: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        struct Document: Encodable {
            let date: Date
            let machine: String
            let figures: [Line]
            let points: [Point]
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        let document = Document(date: Date(), machine: Machine.words, figures: lines, points: points)
        try encoder.encode(document).write(to: URL(fileURLWithPath: directory + "/results.json"))
        try Picture(points).svg.write(toFile: directory + "/cost.svg", atomically: true, encoding: .utf8)
        print("\nWritten: \(directory)/results.json, \(directory)/cost.svg")
    }
}

/// The machine of the measurement.
enum Machine {
    static var words: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = text.split(separator: "\n").first { $0.hasPrefix("model name") }?.split(separator: ":").last ?? ""
        let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? ""
        return
            "\(ProcessInfo.processInfo.activeProcessorCount) × \(model.trimmingCharacters(in: .whitespaces)), Linux \(kernel.trimmingCharacters(in: .whitespacesAndNewlines))"
    }
}
