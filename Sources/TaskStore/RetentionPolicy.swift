import TaskModel

/// RetentionPolicy says for how long the details of ended tasks are kept. Nil keeps them for ever.
package struct RetentionPolicy: Sendable, Hashable {
    /// All details, counted from the end of a task.
    package var ended: Duration?
    /// The same for failed tasks; nil leaves them to ``ended``.
    package var failed: Duration?
    /// The provider's record and the results.
    package var responses: Duration?
    /// The lines of the log.
    package var events: Duration?
    /// Idempotency keys of tasks without details, counted from the end of the task; only with ``ended``. Nil is a year, or as long as the
    /// details if these stay longer.
    package var idempotencyKeys: Duration?

    package init() {}

    /// Whether nothing is ever removed.
    package var isOff: Bool { spans.isEmpty }

    /// The shortest of the spans; nil if nothing is ever removed.
    package var shortest: Duration? { spans.min() }

    private var keySpan: Duration {
        idempotencyKeys ?? max(.seconds(365 * 86_400), ended ?? .zero, failed ?? .zero)
    }

    private typealias Part = (parts: RemovedDetails.Parts, span: Duration?)

    private var spans: [Duration] { [ended, failed, responses, events].compactMap(\.self) }

    /// What a sweep at that time removes, in order.
    func steps(at now: Timestamp) -> [RetentionStep] {
        var steps: [RetentionStep] = []
        for state in TaskState.allCases where state.hasEnded {
            let all = state == .failed ? failed ?? ended : ended
            for (parts, span) in [(.all, all), (.response, responses), (.events, events)] as [Part] {
                guard let span else { continue }
                // What is older loses everything anyway.
                let start = parts == .all ? nil : all.map { now - $0 }
                // The index is sorted by what a task lacks already.
                for lacking in RemovedDetails.Parts.combinations where !lacking.isSuperset(of: parts) {
                    steps.append(.details(parts, of: state, lacking: lacking, endedAfter: start, by: now - span))
                }
            }
        }
        // Without `ended` most old keys would be of tasks with details, which every sweep would pass by again.
        if ended != nil { steps.append(.keys(endedBy: now - keySpan)) }
        if let span = events ?? ended { steps.append(.daemonLines(by: now - span)) }
        return steps
    }
}

/// One kind of thing that a sweep removes.
enum RetentionStep: Sendable {
    case details(
        RemovedDetails.Parts, of: TaskState, lacking: RemovedDetails.Parts, endedAfter: Timestamp?, by: Timestamp)
    /// Idempotency keys of tasks whose details are gone.
    case keys(endedBy: Timestamp)
    /// Lines of the log about no task.
    case daemonLines(by: Timestamp)
}

extension RemovedDetails.Parts {
    /// What a task may lack that is no stub yet.
    fileprivate static let combinations: [RemovedDetails.Parts] = [[], .response, .events, [.response, .events]]
}
