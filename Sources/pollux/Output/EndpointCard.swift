import FoundationEssentials
import LocalAPIContract
import VerbatimJSON

/// Everything worth knowing of one endpoint, and a command to begin with.
struct EndpointCard {
    let endpoint: EndpointDocument
    let now: Date

    func lines(on terminal: Terminal) -> [String] {
        let state = endpoint.state.replacing("_", with: " ").printable
        let heading =
            terminal.paint(endpoint.name.printable, .bold) + "  " + terminal.paint(state, Tint(state: endpoint.state))
        return [heading] + facts.lines(on: terminal) + ["", terminal.paint("example", .faint), "  " + example]
    }

    private var facts: KeyValueList {
        var card = KeyValueList()
        card.add("makes", endpoint.kind)
        card.add("provider", endpoint.provider)
        card.add("goes on", endpoint.until.map { "\($0) (\(DurationText.age(of: $0, now: now)))" }, .yellow)
        card.add("because", endpoint.reason, .yellow)
        card.add("in flight", String(endpoint.inFlight))
        card.add("queued", String(endpoint.queued))
        card.add("uncertain", endpoint.uncertain == 0 ? nil : String(endpoint.uncertain), .yellow)
        card.add("limits", limits)
        card.add("takes", time)
        card.add("answers", answers)
        card.add("queries", endpoint.batchSize.map { "up to \($0) tasks in one" } ?? "one task each")
        card.add("lost replies", lostReplies)
        card.add("noticing", noticing)
        card.add("callbacks", callbacks)
        card.add("throttled", throttled, .yellow)
        card.add("polls", "\(endpoint.polls) of its service since the start")
        card.add("last error", lastError, .yellow)
        card.add("not understood", unrecognised, .yellow)
        return card
    }

    private var limits: String {
        var known: [String] = []
        if let count = endpoint.maxInFlight { known.append("\(count) tasks in flight") }
        if let rate = endpoint.submitsPerSecond, rate > 0 {
            let digits = JSONNumber(rate)?.digits ?? ""
            let gap = DurationText.span((1 / rate).rounded())
            known.append(rate <= 1 ? "one submission every \(gap)" : "\(digits) submissions a second")
        }
        return known.isEmpty ? "none known" : known.joined(separator: ", ") + ", over its whole service"
    }

    private var time: String {
        if let learned = endpoint.learned {
            let p50 = DurationText.span(learned.p50Seconds)
            let p90 = DurationText.span(learned.p90Seconds)
            return "\(p50), nine in ten at most \(p90) (learned from the latest \(learned.samples) tasks)"
        }
        return endpoint.typicalSeconds.map { "about \(DurationText.span($0)) by the provider's documents" }
            ?? "not known yet"
    }

    /// What it took to notice the ends of its tasks.
    private var noticing: String? {
        guard let calls = endpoint.callsPerTask else { return nil }
        let late = endpoint.meanLatenessSeconds.map { ", \(EndpointTable.tenths($0))s late on average" } ?? ""
        return "\(EndpointTable.tenths(calls)) calls a task\(late) (\(endpoint.finished) ended)"
    }

    private var callbacks: String? {
        guard let callbacks = endpoint.callbacks else { return nil }
        let delay = callbacks.meanDelaySeconds.map { ", \(EndpointTable.tenths($0))s after the end on average" } ?? ""
        let missing = callbacks.missing == 0 ? "" : ", \(callbacks.missing) ended by a poll and never came"
        let trust = Int((callbacks.trust * 100).rounded())
        return "\(callbacks.came) of \(callbacks.expected) came\(delay)\(missing); polls thin out by \(trust)%"
    }

    private var throttled: String? {
        endpoint.throttled == 0 ? nil : "\(endpoint.throttled) answers \"too many requests\" since its first task"
    }

    private var answers: String {
        endpoint.answers == "inline"
            ? "with the result itself; until then nothing tells how far it is"
            : "with an id at once; the result is asked for"
    }

    private var lostReplies: String {
        switch endpoint.listing {
        case "documented": "can be found in the provider's list of tasks: documented"
        case "vendor_code": "can be found in the provider's list of tasks: known from vendor clients, not documented"
        default: "cannot be found: no list of the provider's tasks is known, so a person has to decide"
        }
    }

    private var lastError: String? {
        endpoint.lastError.map { "\(DurationText.age(of: $0.at, now: now)): \($0.code): \($0.message)" }
    }

    private var unrecognised: String? {
        endpoint.unrecognised.map { unrecognised in
            let age = DurationText.age(of: unrecognised.lastAt, now: now)
            return "\(unrecognised.count) records since the start, the last \(age): \(unrecognised.lastShape)"
        }
    }

    /// A command that can be copied as it is.
    private var example: String {
        guard let members = endpoint.example.object?.members else {
            return "pollux submit \(endpoint.name.printable) --json-body @request.json"
        }
        let items = members.map { member -> String in
            let item = member.value.string.map { "\(member.name)=\($0)" } ?? "\(member.name):=\(member.value.text)"
            return "-d " + item.printable.quotedForShell
        }
        return (["pollux submit \(endpoint.name.printable)"] + items).joined(separator: " ")
    }
}

extension String {
    /// The text as one word of a POSIX shell.
    var quotedForShell: String {
        let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@,+%"
        if !isEmpty, allSatisfy({ plain.contains($0) }) { return self }
        return "'" + replacing("'", with: #"'\''"#) + "'"
    }
}
