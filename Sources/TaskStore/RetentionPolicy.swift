import TaskModel

/// The retention times of ended tasks and their details. Nil keeps them forever.
package struct RetentionPolicy: Sendable, Hashable {
    /// All details, counted from the end of a task.
    package var ended: Duration?
    /// The same for failed tasks; nil applies ``ended``.
    package var failed: Duration?
    /// The provider's record and the results.
    package var responses: Duration?
    /// The lines of the log.
    package var events: Duration?
    /// Files of results, counted from when each was saved.
    package var artefacts: Duration?
    /// Idempotency keys of tasks without details, counted from the end of the task. If nil, ``keySpan`` applies its default.
    package var idempotencyKeys: Duration?
    /// Lines of the ledger about settled attempts, counted from the start of each. A line stays while a budget counts the day or
    /// the month of its attempt.
    package var ledger: Duration?
    /// Stubs: tasks without details, counted from the end of the task. If nil, ``stubSpan`` applies its default.
    package var stubs: Duration?

    package init() {}

    /// Whether nothing is ever removed.
    package var isOff: Bool { spans.isEmpty }

    /// The shortest of the spans; nil if nothing is ever removed.
    package var shortest: Duration? { spans.min() }

    private static let year = Duration.seconds(365 * 86_400)

    /// How long keys stay: a year with ``ended``, or as long as details if these stay longer.
    package var keySpan: Duration? {
        idempotencyKeys ?? (ended == nil ? nil : max(Self.year, ended ?? .zero, failed ?? .zero))
    }

    /// How long stubs stay: a year with ``ended``, and never less than keys and details. After a year, programs no
    /// longer repeat a request, and users no longer check the provider's bills.
    package var stubSpan: Duration? {
        (stubs ?? (ended == nil ? nil : Self.year)).map { max($0, keySpan ?? .zero, ended ?? .zero, failed ?? .zero) }
    }

    private typealias Part = (parts: RemovedDetails.Parts, span: Duration?)

    private var spans: [Duration] {
        [ended, failed, responses, events, artefacts, idempotencyKeys, stubs, ledger].compactMap(\.self)
    }

    /// The removals of a sweep at that time, in order. A task that loses its details in a sweep stays until the next
    /// sweep, so a dry run gives the same counts.
    func steps(at now: Timestamp, keepingStubs: Bool) -> [RetentionStep] {
        var steps: [RetentionStep] = []
        let stubTime = keepingStubs ? nil : stubSpan.map { now - $0 }
        if let stubTime {
            steps += [false, true].map { RetentionStep.stubs(isKeyless: $0, by: stubTime) }
        }
        if let span = keySpan { steps.append(.keys(endedAfter: stubTime, by: now - span)) }
        for state in TaskState.allCases where state.hasEnded {
            let all = state == .failed ? failed ?? ended : ended
            for (parts, span) in [(.all, all), (.response, responses), (.events, events)] as [Part] {
                guard let span else { continue }
                // Older tasks lose everything anyway.
                let start = parts == .all ? nil : all.map { now - $0 }
                // The index is sorted by the parts that a task lacks.
                for lacking in RemovedDetails.Parts.combinations where !lacking.isSuperset(of: parts) {
                    steps.append(.details(parts, of: state, lacking: lacking, endedAfter: start, by: now - span))
                }
            }
        }
        if let span = artefacts { steps.append(.artefacts(by: now - span)) }
        if let span = ledger { steps.append(.ledger(by: now - span, at: now)) }
        if let span = events ?? ended { steps.append(.daemonLines(by: now - span)) }
        return steps
    }
}

/// One kind of removal in a sweep.
enum RetentionStep: Sendable {
    case details(
        RemovedDetails.Parts, of: TaskState, lacking: RemovedDetails.Parts, endedAfter: Timestamp?, by: Timestamp)
    /// Stubs.
    case stubs(isKeyless: Bool, by: Timestamp)
    /// Idempotency keys of tasks whose details are gone.
    case keys(endedAfter: Timestamp?, by: Timestamp)
    /// Files of results.
    case artefacts(by: Timestamp)
    /// Lines of the log about the daemon.
    case daemonLines(by: Timestamp)
    /// Lines of the ledger about attempts that started by that time.
    case ledger(by: Timestamp, at: Timestamp)
}

extension RemovedDetails.Parts {
    /// The sets of parts that a task may lack without being a stub.
    fileprivate static let combinations: [RemovedDetails.Parts] = [[], .response, .events, [.response, .events]]
}
