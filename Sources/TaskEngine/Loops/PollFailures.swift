import Logging
import PollingPolicy
import ProviderCatalog
import TaskModel
import TaskStore

/// Handles status queries that failed: it postpones one task, or slows its whole service.
struct PollFailures: Sendable {
    let recorder: OutcomeRecorder
    let admission: AdmissionControl
    let inFlight: InFlightPolls
    @Current var polling: PollingPolicy
    /// How long a task waits whose record is too large; see ``EngineLimits/tooLargeGap``.
    let tooLargeGap: Duration
    let time: any TimeSource
    let logger: Logger

    /// Postpones a task whose record is too large to be read, and warns once. The service itself works.
    func tooLarge(
        _ task: TrackedTask, of work: PollBatch, because failure: TaskFailure
    ) async {
        inFlight.markAlone(true, task.id)
        if inFlight.noteTooLarge(task.id) {
            logger.about(task, code: failure.code).warning(
                """
                \(task.id) \(task.endpoint): \(failure.message) It is polled again every hour; nothing is lost. \
                \(failure.hint ?? "")
                """)
            _ = await recorder.record([ScheduledEvent(.replyTooLarge(failure), for: task.id, nextDueAt: nil)])
        }
        await recorder.postpone([task.id], until: time.now() + tooLargeGap)
        await admission.queriesSucceeded(of: work.service)
    }

    /// Handles a failed query about one task.
    /// Handles a failed query about one task.
    ///
    /// If other queries of the service succeed in the meantime, only this task is postponed, for longer each time.
    /// Otherwise the service is slowed.
    func failed(
        _ task: TrackedTask, of work: PollBatch, because failure: TaskFailure, isAboutAll: Bool
    ) async {
        let own =
            isAboutAll
            ? 0 : inFlight.noteFailure(of: task.id, service: work.service, isOwn: failure.code == Self.cannotAsk)
        guard own > 0 else { return await slow(work, because: failure) }
        inFlight.markAlone(true, task.id)
        let gap = min(
            polling.minGap * (1 << min(2 * own, 20)),
            max(polling.maxGap, PollingPolicy.maxUnrecognisedGap))
        logger.about(task, code: failure.code).warning(
            """
            \(task.id) could not be polled, but others of \(work.service) can: \(failure.code): \(failure.message) \
            It is polled again in \(Int(gap.inSeconds.rounded())) s; nothing is lost.
            """)
        await recorder.postpone([task.id], until: time.now() + gap)
    }

    /// The code of a query that was not sent, because its address is not allowed.
    static let cannotAsk = "cannot_ask"

    /// Opens the circuit breaker of the service, and postpones these tasks.
    func slow(
        _ work: PollBatch, because failure: TaskFailure, isThrottled: Bool = false, retryAfter: Duration? = nil
    ) async {
        await admission.queriesFailed(
            of: work.endpoint, because: failure, isThrottled: isThrottled, retryAfter: retryAfter)
        logger.warning(
            "A status query of \(work.service) for \(work.tasks.count) task(s) failed, and is repeated later: \(failure.code): \(failure.message)",
            metadata: [LogField.code: "\(failure.code)"]
        )
        // A half-open breaker lets one query pass. Other tasks go first, because the service may be unable to answer
        // about these.
        var until = time.now() + polling.minGap
        if admission.breakers.isHalfOpen(work.endpoint.polls) {
            until =
                max(until, admission.breakers.state(of: work.endpoint.polls).closedUntil ?? until)
                + polling.minGap * 5
        }
        await recorder.postpone(work.tasks.map(\.id), until: until)
        guard isThrottled else { return }
        var updates = StatisticsUpdates()
        updates.countThrottled(about: work.tasks)
        await recorder.updateStatistics(updates)
    }
}

extension TaskFailure {
    /// The failure of a request without a reply.
    init(_ error: UpstreamTransportError) {
        switch error {
        case .notSent(let reason): self.init(code: "not_sent", message: "The provider could not be reached: \(reason)")
        case .interrupted(let reason): self.init(code: TaskFailure.replyLost, message: "The reply was lost: \(reason)")
        case .tooLarge(let maxBytes):
            self.init(
                code: "reply_too_large",
                message: "The provider's reply is larger than \(maxBytes) bytes, so it was not read.",
                hint: "Raise `upstream.max_reply_bytes` and run `pollux reload` to have it read.")
        case .outdated:
            self.init(
                code: "not_sent", message: "Nothing was sent: a reload has changed the provider's base URL meanwhile.")
        case .leaseExpired:
            self.init(
                code: "not_sent",
                message: "Nothing was sent: the lease of the account expired before the first byte.")
        case .cancelled:
            self.init(code: TaskFailure.daemonStopped, message: "The daemon stopped before the reply arrived.")
        }
    }
}
