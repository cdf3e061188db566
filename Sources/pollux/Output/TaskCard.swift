import FoundationEssentials
import VerbatimJSON
import LocalAPIContract

/// Renders one task for reading.
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
        var list = KeyValueList()
        list.add("endpoint", task.endpoint)
        list.add("details", task.removed?.words, .yellow)
        list.add("pinned", task.pinned ? "its details are kept from removal" : nil)
        list.add("waiting for", task.waitingFor?.message, .yellow)
        list.add("error", task.error.map { "\($0.code): \($0.message)" }, task.hasEnded ? .red : .yellow)
        list.add("status", task.error?.httpStatus.map { "HTTP \($0)" })
        list.add("hint", task.error?.hint)
        list.add("remote id", task.remoteID)
        list.add("account", task.account == "default" ? nil : task.account)
        list.add("trace id", task.traceID)
        for label in task.labels.sorted(by: { $0.key < $1.key }) { list.add("label", "\(label.key)=\(label.value)") }
        list.add("note", task.note)
        list.add("capture", task.capture ? nil : "off: the files of its results are not fetched")
        if task.priority != 0 { list.add("priority", String(task.priority)) }
        list.add("created", time(task.createdAt))
        list.add("submitted", time(task.submittedAt))
        list.add("started", time(task.startedAt))
        list.add("finished", time(task.finishedAt))
        list.add("ended", time(task.endedAt))
        if task.submittedAt != nil {
            list.add(task.hasEnded ? "took" : "elapsed", task.elapsed(now: now).map(DurationText.span))
        }
        list.add("expected", expected)
        list.add("slow since", slow, .yellow)
        list.add("not before", time(task.notBefore))
        list.add("deadline", time(task.deadline))
        list.add("next poll", time(task.nextPollAt))
        list.add("retry of", task.retryOf)
        list.add("notifies", task.notify)
        list.add("attempts", task.attempts == 0 ? nil : String(task.attempts))
        list.add("polls", task.polls == 0 ? nil : String(task.polls))
        list.add("on uncertain", task.state == "uncertain" ? task.onUncertain : nil)
        list.add("resolution", task.resolution)
        list.add(
            "outcome from", task.outcomeSource == "callback" ? "a callback; the provider no longer knows the task" : nil
        )
        list.add("callbacks", callbacks)
        list.add("next step", toDo)
        return list
    }

    private var callbacks: String? {
        guard let callback = task.callback else { return nil }
        guard callback.receiver == "pollux" else { return "go to the URL in the request; Pollux only polls" }
        guard callback.deliveries > 0 else { return nil }
        return "\(callback.deliveries)"
            + (callback.latestAt.map { ", the last \(DurationText.age(of: $0, now: now))" } ?? "")
    }

    private var slow: String? {
        guard let since = task.slowerThanUsualSince, !task.hasEnded else { return nil }
        return "\(since): slower than 99 % of its kind"
    }

    private var expected: String? {
        guard let eta = task.eta, !task.hasEnded else { return nil }
        return "\(task.expectation(now: now)) (50 % end by \(eta.p50), 90 % by \(eta.p90))"
    }

    private var toDo: String? {
        switch task.state {
        case "uncertain":
            "look for it at the provider, then: pollux resolve \(task.id) --adopt REMOTE_ID | --resubmit | --give-up"
        case "cancelled", "expired":
            task.remoteID == nil || task.removed?.request == true ? nil : "track it again: pollux reopen \(task.id)"
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
