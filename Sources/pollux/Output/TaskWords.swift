import FoundationEssentials
import LocalAPIContract

/// Short texts about a task.
extension TaskDocument {
    /// The state with its details: `running 35%`, `succeeded (partial)`.
    var stateWords: String {
        if partial { return state.printable + " (partial)" }
        guard let progress, !hasEnded else { return state.printable }
        return "\(state.printable) \(Int(progress.rounded(.down)))%"
    }

    /// The seconds since the task was submitted, up to its end.
    func elapsed(now: Date) -> TimeInterval? {
        guard let start = Date(rfc3339: submittedAt ?? createdAt) else { return nil }
        let end = hasEnded ? (finishedAt ?? endedAt).flatMap { Date(rfc3339: $0) } ?? now : now
        return max(0, end.timeIntervalSince(start))
    }

    /// The expected end: `about 40s left`, `any moment`, `slower than 90 % of its kind`.
    func expectation(now: Date) -> String {
        guard !hasEnded, let eta, let p50 = Date(rfc3339: eta.p50), let p90 = Date(rfc3339: eta.p90) else { return "" }
        let left = now < p50 ? "about \(DurationText.short(p50.timeIntervalSince(now))) left" : "any moment"
        if slowerThanUsualSince != nil { return "slower than 99 % of its kind, \(left)" }
        return now < p90 ? left : "slower than 90 % of its kind"
    }

    /// The line of a task that has succeeded without visible results.
    var noResults: String {
        guard let removed, removed.response else { return ResultLines.none }
        return "none: the results were removed on \(removed.at.printable)"
    }

    /// What the task waits for, or why it failed.
    var reason: String {
        if let waitingFor { return waitingFor.message.printable }
        if let error { return "\(error.code): \(error.message)".printable }
        return ""
    }
}

extension TaskDocument.Removed {
    /// What was removed, and when.
    var words: String {
        let parts = [(request, "request"), (response, "response and results"), (events, "log")].filter(\.0).map(\.1)
        return "\(parts.joined(separator: ", ")) removed on \(at)"
    }
}
