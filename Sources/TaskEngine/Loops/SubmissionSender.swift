import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Sends paid requests, and records what their replies prove.
struct SubmissionSender: Sendable {
    let store: TaskStore
    let transport: any UpstreamTransport
    @Current var limits: EngineLimits
    let admission: AdmissionControl
    let planner: SchedulePlanner
    let sampler: CompletionSampler
    let recorder: OutcomeRecorder
    let wakes: WakeSignals
    let time: any TimeSource
    let passed: @Sendable (CrashPoint) -> Void

    /// Sends the attempt, and records what its reply proves.
    func submit(_ work: Submitter.Work) async {
        do throws(TaskStoreError) {
            try await store.noteStart(of: work.task, at: time.now())
        } catch {
            let failure = TaskFailure(code: "not_sent", message: "Nothing was sent: \(error.message)")
            await record(.submissionNotAccepted(failure), of: work) { [again = time.now() + .seconds(5)] _ in again }
            return
        }
        passed(.beforeFirstByte)
        switch await request(of: work) {
        case .success(let (request, isPassed)):
            let outcome = await send(request, of: work)
            passed(.afterReply)
            switch outcome {
            case .verdict(let verdict, let minimumDelay, let reply):
                await take(
                    verdict, of: work, minimumDelay: minimumDelay,
                    keeping: isPassed ? reply.flatMap { SubmissionReply($0) } : nil)
            case .outdated(let failure):
                await record(.submissionNotAccepted(failure), of: work) { [again = time.now()] _ in again }
                wakes.submitter.signal()
            }
        case .failure(let problem):
            // Nothing was sent, for a local reason that says nothing about the endpoint. A request that cannot be built
            // with this definition is refused permanently.
            let again = problem.isPermanent ? nil : time.now() + .seconds(5)
            await record(
                problem.isPermanent ? .submissionRefused(problem.failure) : .submissionNotAccepted(problem.failure),
                of: work, schedule: { _ in again })
            wakes.submitter.signal()
        }
    }

    /// The outcome of a request.
    private enum SendOutcome {
        /// What the reply proves, and the minimum delay before the next poll.
        case verdict(SubmitVerdict, minimumDelay: Duration?, reply: UpstreamReply?)
        /// Nothing was accepted, because a reload has replaced the token or the base URL, or because the lease has
        /// expired. This says nothing about the provider, so neither the account nor the endpoint is paused.
        case outdated(TaskFailure)
    }

    /// Records what the reply to an attempt proves. The reply may arrive late. The program that submitted the task through
    /// the gateway gets `reply` unchanged.
    func take(
        _ verdict: SubmitVerdict, of work: Submitter.Work, minimumDelay: Duration? = nil,
        keeping reply: SubmissionReply? = nil
    ) async {
        let (event, schedule) = await outcome(of: verdict, for: work, minimumDelay: minimumDelay)
        // A remote id is recorded first. A refusal first blocks the endpoint, so that the task is not claimed again
        // immediately.
        if case .submissionAccepted = event {
            await record(
                event, of: work, schedule: schedule, updating: await updates(from: verdict, of: work), keeping: reply)
            await admission.note(verdict, of: work.endpoint)
        } else {
            await admission.note(verdict, of: work.endpoint)
            let retry = admission.retry(of: work.task, after: verdict, of: work.endpoint)
            await record(
                event, of: work, schedule: { retry ?? schedule($0) },
                updating: await updates(from: verdict, of: work), keeping: event.settlesSubmission ? reply : nil)
        }
        passed(.afterAccepted)
        wakes.polls.signal()
        wakes.lookups.signal()
    }

    private func record(
        _ event: TaskEvent, of work: Submitter.Work, schedule: @escaping ScheduledEvent.Schedule,
        updating updates: StatisticsUpdates = StatisticsUpdates(), keeping reply: SubmissionReply? = nil
    ) async {
        var planned = ScheduledEvent(
            event, for: work.task.id, attempt: work.task.attempts, shownTo: work.endpoint.account, schedule: schedule)
        planned.reply = reply
        _ = await recorder.record([planned], updating: updates)
    }

    /// The statistics updates of the reply: a duration sample, or a throttled call.
    private func updates(from verdict: SubmitVerdict, of work: Submitter.Work) async -> StatisticsUpdates {
        var updates = StatisticsUpdates()
        if case .answered(let observation, _) = verdict, observation.verdict != .pending {
            await sampler.add(work.task, at: time.now(), saying: observation, to: &updates)
        }
        if verdict.isThrottled { updates.countThrottled(about: [work.task]) }
        return updates
    }

    /// The reason why the request cannot be sent.
    private struct RequestFailure: Error {
        let failure: TaskFailure
        var isPermanent = true
    }

    /// The request of the attempt and whether it came through the gateway, or the reason why it cannot be sent.
    private func request(
        of work: Submitter.Work
    ) async -> Result<(request: UpstreamRequest, isPassed: Bool), RequestFailure> {
        do throws(TaskStoreError) {
            let stored = try await store.taskWithPayload(work.task.id, .nulls)
            guard let request = stored?.payload.request.object else {
                return .failure(
                    RequestFailure(
                        failure: TaskFailure(
                            code: "no_request", message: "The task has no request that could be sent.")))
            }
            let message = try await store.passedMessage(of: work.task.id)
            return Self.paid(request, of: work).map { request in
                var request = request
                // A search at another base URL would not find the task.
                request.baseURL = work.profile.baseURL
                // A machine that stood still must not send what another one may have sent since.
                request.permit = work.permit
                if let message { request.add(message) }
                return (request: request, isPassed: message != nil)
            }
        } catch {
            return .failure(
                RequestFailure(failure: TaskFailure(code: error.code, message: error.message), isPermanent: false))
        }
    }

    private static func paid(
        _ request: JSONObject, of work: Submitter.Work
    ) -> Result<UpstreamRequest, RequestFailure> {
        do throws(RequestProblem) {
            return .success(
                try work.profile.dialect.submission(
                    of: request, callbackURL: work.callbackURL, ownID: work.task.id.text))
        } catch {
            return .failure(
                RequestFailure(
                    failure: TaskFailure(
                        code: "bad_request", message: "Nothing was sent: \(error.field) \(error.problem).")))
        }
    }

    private func send(_ request: UpstreamRequest, of work: Submitter.Work) async -> SendOutcome {
        do throws(UpstreamTransportError) {
            try request.permit.check()
            let reply = try await transport.send(
                request, by: work.endpoint.owner, isPaid: true, timeout: limits.timeout(of: work.profile))
            let verdict = work.profile.dialect.readSubmission(reply).redacted
            if reply.rejectsReplacedToken, let failure = verdict.rejectionOfAccount { return .outdated(failure) }
            return .verdict(
                verdict, minimumDelay: work.profile.dialect.minimumPollDelay(from: reply), reply: reply)
        } catch {
            switch error {
            case .outdated, .leaseExpired: return .outdated(TaskFailure(error))
            case .notSent, .interrupted, .tooLarge, .cancelled:
                return .verdict(SubmitVerdict(error), minimumDelay: nil, reply: nil)
            }
        }
    }

    /// The event for the verdict, and its schedule.
    private func outcome(
        of verdict: SubmitVerdict, for work: Submitter.Work, minimumDelay: Duration?
    ) async -> (TaskEvent, ScheduledEvent.Schedule) {
        let now = time.now()
        switch verdict {
        case .accepted(let id, let trace, let url):
            let schedule = await planner.schedule(of: work.task, at: now, minimumDelay: minimumDelay)
            return (.submissionAccepted(id, traceID: trace, pollURL: url), { schedule.nextPoll(of: $0) })
        case .answered(let observation, let id):
            return (.submissionAnswered(observation, remoteID: id), { _ in nil })
        case .throttled(let failure, _), .stopped(let failure, _):
            return (.submissionNotAccepted(failure), { _ in now })
        case .refused(let failure, suspendsProvider: false)
        where work.profile.dialect.ownIDMember != nil && isRepeated(work.task):
            // The provider may refuse the client id because an earlier attempt used it. A look-up shows that.
            return (.submissionInterrupted(failure, isProbablyRefused: true), { _ in now })
        case .refused(let failure, suspendsProvider: true) where admission.hasAnotherAccount(than: work.endpoint):
            // The account was rejected, so other accounts take its queue.
            return (.submissionNotAccepted(failure), { _ in now })
        case .refused(let failure, _):
            return (.submissionRefused(failure), { _ in nil })
        case .probablyRefused(let failure, _):
            return (.submissionInterrupted(failure, isProbablyRefused: true), { _ in now })
        case .unknown(let failure):
            return (.submissionInterrupted(failure, isProbablyRefused: false), { _ in now })
        }
    }

    private func isRepeated(_ task: TrackedTask) -> Bool { task.attempts > 1 }
}

extension TaskEvent {
    /// Whether the provider's reply is its last word on the submission.
    fileprivate var settlesSubmission: Bool {
        switch self {
        case .submissionAccepted, .submissionAnswered, .submissionRefused: true
        default: false
        }
    }
}

extension SubmitVerdict {
    /// Why the provider accepts nothing from this account; nil if it did not say so.
    fileprivate var rejectionOfAccount: TaskFailure? {
        switch self {
        case .refused(let failure, suspendsProvider: true), .stopped(let failure, .account): failure
        case .accepted, .answered, .throttled, .stopped, .refused, .probablyRefused, .unknown: nil
        }
    }

    /// The verdict if no reply arrived.
    init(_ error: UpstreamTransportError) {
        switch error {
        case .notSent, .outdated, .leaseExpired:
            self = .throttled(TaskFailure(error), retryAfter: nil)
        case .interrupted, .tooLarge, .cancelled:
            self = .unknown(TaskFailure(error))
        }
    }
}
