import FoundationEssentials
import VerbatimJSON
import LocalAPIContract

/// Everything worth knowing of one task, for reading.
struct TaskCard {
    let task: TaskDocument
    let now: Date

    func lines(on terminal: Terminal) -> [String] {
        var lines = [
            terminal.paint(task.id.printable, .bold) + "  " + terminal.paint(task.stateWords, Tint(state: task.state))
        ]
        lines += facts.lines(on: terminal)
        if !task.request.isNull {
            lines += ["", terminal.paint("request", .faint)] + indented(task.request.prettyText)
        }
        if !task.results.isEmpty {
            lines +=
                ["", terminal.paint("results", .faint)]
                + ResultLines(results: task.results, record: task.response).lines
        } else if !task.response.isNull {
            if task.state == "succeeded" { lines += ["", terminal.paint("results", .faint), ResultLines.none] }
            lines += ["", terminal.paint("response", .faint)] + indented(task.response.prettyText)
        }
        return lines
    }

    private var facts: KeyValueList {
        var card = KeyValueList()
        card.add("endpoint", task.endpoint)
        card.add("waits for", task.waitingFor?.message, .yellow)
        card.add("error", task.error.map { "\($0.code): \($0.message)" }, task.hasEnded ? .red : .yellow)
        card.add("status", task.error?.httpStatus.map { "HTTP \($0)" })
        card.add("hint", task.error?.hint)
        card.add("remote id", task.remoteID)
        card.add("trace id", task.traceID)
        for label in task.labels.sorted(by: { $0.key < $1.key }) { card.add("label", "\(label.key)=\(label.value)") }
        if task.priority != 0 { card.add("priority", String(task.priority)) }
        card.add("created", time(task.createdAt))
        card.add("submitted", time(task.submittedAt))
        card.add("started", time(task.startedAt))
        card.add("finished", time(task.finishedAt))
        card.add("ended", time(task.endedAt))
        if task.submittedAt != nil {
            card.add(task.hasEnded ? "took" : "so far", task.elapsed(now: now).map(DurationText.span))
        }
        card.add("expected", expected)
        card.add("slow", slow, .yellow)
        card.add("not before", time(task.notBefore))
        card.add("deadline", time(task.deadline))
        card.add("next poll", time(task.nextPollAt))
        card.add("attempts", task.attempts == 0 ? nil : String(task.attempts))
        card.add("polls", task.polls == 0 ? nil : String(task.polls))
        card.add("if uncertain", task.state == "uncertain" ? task.onUncertain : nil)
        card.add("resolution", task.resolution)
        card.add(
            "told by", task.outcomeSource == "callback" ? "a callback; the provider does not know it any more" : nil)
        card.add("callbacks", callbacks)
        card.add("to do", toDo)
        return card
    }

    private var callbacks: String? {
        guard let callback = task.callback else { return nil }
        guard callback.receiver == "pollux" else { return "go to the URL in the request; polling does the work here" }
        guard callback.deliveries > 0 else { return nil }
        return "\(callback.deliveries)"
            + (callback.latestAt.map { ", the last \(DurationText.age(of: $0, now: now))" } ?? "")
    }

    private var slow: String? {
        guard let since = task.slowerThanUsualSince, !task.hasEnded else { return nil }
        return "longer than 99 of 100 of its kind, since \(since)"
    }

    private var expected: String? {
        guard let eta = task.eta, !task.hasEnded else { return nil }
        return "\(task.expectation(now: now)) (half end by \(eta.p50), nine in ten by \(eta.p90))"
    }

    private var toDo: String? {
        switch task.state {
        case "uncertain":
            "look for it at the provider, then: pollux resolve \(task.id) --adopt REMOTE_ID | --resubmit | --give-up"
        case "cancelled", "expired":
            task.remoteID == nil ? nil : "track it again: pollux reopen \(task.id)"
        default:
            nil
        }
    }

    private func time(_ text: String?) -> String? {
        text.map { "\($0) (\(DurationText.age(of: $0, now: now)))" }
    }

    private func indented(_ text: String) -> [String] {
        text.split(separator: "\n").map { "  " + String($0).printable }
    }
}
