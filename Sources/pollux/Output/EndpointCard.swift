import FoundationEssentials
import LocalAPIContract
import VerbatimJSON

/// Renders one endpoint for reading, with an example command.
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
        var list = KeyValueList()
        list.add("kind", endpoint.kind)
        list.add("provider", endpoint.provider)
        list.add("resumes", endpoint.until.map { "\($0) (\(DurationText.age(of: $0, now: now)))" }, .yellow)
        list.add("reason", endpoint.reason, .yellow)
        list.add("in flight", String(endpoint.inFlight))
        list.add("queued", String(endpoint.queued))
        list.add("uncertain", endpoint.uncertain == 0 ? nil : String(endpoint.uncertain), .yellow)
        list.add("limits", limits)
        list.add("duration", time)
        list.add("price", price)
        list.add("replies", answers)
        list.add(
            "batches", endpoint.batchSize.map { "up to \($0) tasks per status query" } ?? "one task per status query")
        list.add("lost replies", lostReplies)
        list.add("detection", noticing)
        list.add("callbacks", callbacks)
        list.add("throttled", throttled, .yellow)
        list.add("polls", "\(endpoint.polls) for the whole service since the start")
        list.add("last error", lastError, .yellow)
        list.add("unrecognised", unrecognised, .yellow)
        return list
    }

    private var price: String {
        guard let price = endpoint.price else { return "unknown; write it into prices.yaml" }
        let published = [price.source, price.asOf].compactMap(\.self).joined(separator: ", ")
        return "\(price.words) (\(price.origin)\(published.isEmpty ? "" : ": \(published)"))"
    }

    private var limits: String {
        var known: [String] = []
        if let count = endpoint.maxInFlight { known.append("\(count) tasks in flight") }
        if let rate = endpoint.submitsPerSecond, rate > 0 {
            let digits = JSONNumber(rate)?.digits ?? ""
            let gap = DurationText.span((1 / rate).rounded())
            known.append(rate <= 1 ? "one submission every \(gap)" : "\(digits) submissions a second")
        }
        return known.isEmpty ? "unknown" : known.joined(separator: ", ") + ", for the whole service"
    }

    private var time: String {
        if let learned = endpoint.learned {
            let p50 = DurationText.span(learned.p50Seconds)
            let p90 = DurationText.span(learned.p90Seconds)
            return "50 % within \(p50), 90 % within \(p90) (learned from the latest \(learned.samples) tasks)"
        }
        return endpoint.typicalSeconds.map { "about \(DurationText.span($0)) by the definition" }
            ?? "unknown"
    }

    /// The cost of noticing the ends of its tasks.
    private var noticing: String? {
        guard let calls = endpoint.callsPerTask else { return nil }
        let late = endpoint.meanLatenessSeconds.map { ", \(EndpointTable.tenths($0))s late on average" } ?? ""
        return "\(EndpointTable.tenths(calls)) calls a task\(late) (\(endpoint.finished) ended)"
    }

    private var callbacks: String? {
        guard let callbacks = endpoint.callbacks else { return nil }
        let delay = callbacks.meanDelaySeconds.map { ", \(EndpointTable.tenths($0))s after the end on average" } ?? ""
        let missing = callbacks.missing == 0 ? "" : ", \(callbacks.missing) never came"
        let trust = Int((callbacks.trust * 100).rounded())
        return "\(callbacks.came) of \(callbacks.expected) came\(delay)\(missing); polls reduced by \(trust)%"
    }

    private var throttled: String? {
        endpoint.throttled == 0 ? nil : "\(endpoint.throttled) \"too many requests\" replies since its first task"
    }

    private var answers: String {
        endpoint.answers == "inline"
            ? "with the result, without progress until then"
            : "with an id at once; the result is polled"
    }

    private var lostReplies: String {
        switch endpoint.listing {
        case "documented": "found in the provider's list of tasks (documented)"
        case "vendor_code": "found in the provider's list of tasks (known from vendor clients, not documented)"
        default: "not found: the provider has no known list of tasks, so a person decides"
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

    /// A command that can be copied.
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
