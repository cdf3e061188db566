import FoundationEssentials
import LocalAPIContract

/// What a task's document means, in the few words that fit beside it.
extension TaskDocument {
    /// The state, with what qualifies it: `running 35%`, `succeeded (partial)`.
    var stateWords: String {
        if partial { return state.printable + " (partial)" }
        guard let progress, !hasEnded else { return state.printable }
        return "\(state.printable) \(Int(progress.rounded(.down)))%"
    }

    /// How long it took, or has been going on, in seconds; counted from when it was asked for.
    func elapsed(now: Date) -> TimeInterval? {
        guard let start = Date(rfc3339: submittedAt ?? createdAt) else { return nil }
        let end = hasEnded ? (finishedAt ?? endedAt).flatMap { Date(rfc3339: $0) } ?? now : now
        return max(0, end.timeIntervalSince(start))
    }

    /// When its end is expected: `about 40s left`, `any moment`, `slower than 9 of 10`.
    func expectation(now: Date) -> String {
        guard !hasEnded, let eta, let p50 = Date(rfc3339: eta.p50), let p90 = Date(rfc3339: eta.p90) else { return "" }
        let left = now < p50 ? "about \(DurationText.short(p50.timeIntervalSince(now))) left" : "any moment"
        if slowerThanUsualSince != nil { return "slower than 99 of 100 of its kind, \(left)" }
        return now < p90 ? left : "slower than 9 of 10 of its kind"
    }

    /// Why it is where it is: what it waits for, why it failed.
    var reason: String {
        if let waitingFor { return waitingFor.message.printable }
        if let error { return "\(error.code): \(error.message)".printable }
        return ""
    }
}
