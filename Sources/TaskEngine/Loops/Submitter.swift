import Logging
import ProviderCatalog
package import TaskModel
package import TaskStore
import VerbatimJSON

/// Sends queued tasks to their providers, each exactly once.
///
/// Before the first byte of a paid request its intent is on disk. What the reply proves decides what follows, and a
/// reply that proves nothing leads to `uncertain`, never to another try.
package struct Submitter: Worker {
    /// A task whose intent is on disk, or one that is looked for once more before it is sent again.
    package struct Work: Sendable {
        let task: TrackedTask
        let profile: EndpointProfile
        /// Where the provider is to call back, if it is.
        var callbackURL: String?
        /// Whether an earlier attempt may have been accepted, so that its intent is not on disk yet.
        var isResubmission = false
        /// Memory for the reply, held until that is recorded.
        var replyRoom = ReplyRoom()
    }

    package let context: EngineContext
    package var wake: WakeSignal { context.wakes.submitter }
    var admission: AdmissionControl { context.admission }

    /// The loop over the queue.
    package init(_ context: EngineContext) {
        self.context = context
    }

    package func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        // While the daemon stops nothing more is paid for.
        guard !context.feed.isClosing else { return now + .seconds(60) }
        try await context.settleUnknownClaims(at: now)
        var load = try await admission.load()
        var comeBack = now + .seconds(60)
        var open: [String: [EndpointProfile]] = [:]
        let queued = load.queued.compactMap { context.catalog.endpoint($0) }
        try await admission.leases.acquire(for: queued, at: now)
        for profile in queued {
            if let block = admission.block(on: profile, at: now) {
                comeBack = min(comeBack, block.until ?? comeBack)
            } else {
                open[profile.name.service, default: []].append(profile)
            }
        }
        // In random order, so that no service is always served last. Sorted first, since the order of a dictionary differs
        // from run to run.
        let services = open.keys.sorted()
        for service in context.random.draw({ services.shuffled(using: &$0) }) where admission.room(under: load) > 0 {
            guard let profiles = open[service] else { continue }
            let next = try await claim(of: profiles, under: &load, into: &work, at: now)
            comeBack = min(comeBack, next ?? comeBack)
        }
        return comeBack
    }

    /// Claims what may go on the endpoints of one service, which share its limits. Returns when more may.
    private func claim(
        of profiles: [EndpointProfile], under load: inout TaskLoad, into work: inout [Work], at now: Timestamp
    ) async throws(TaskStoreError) -> Timestamp? {
        guard let first = profiles.first else { return nil }
        let room = admission.room(for: first, under: load)
        let resubmission = load.resubmission(of: first.name.service)
        var candidates: [(task: TrackedTask, profile: EndpointProfile)] = []
        var comeBack: Timestamp?
        // As many as can go, and one more to find the time when the rate allows it.
        let most = min(room, admission.tokens(for: first).map { $0 + 1 } ?? room)
        for profile in profiles {
            if most > 0 {
                let ready = try await context.store.queued(
                    on: profile.name, at: now, limit: resubmission == nil ? most : most + 1)
                candidates += ready.filter { $0.id != resubmission }.map { ($0, profile) }
            }
            if let next = try await context.store.nextQueued(on: profile.name, after: now) {
                comeBack = min(comeBack ?? next, next)
            }
        }
        // By priority, then age, over all endpoints of the service. Those of one endpoint come in this order already.
        let inOrder = candidates.enumerated().sorted { left, right in
            let (one, other) = (left.element.task, right.element.task)
            return (other.priority, one.createdAt, left.offset) < (one.priority, other.createdAt, right.offset)
        }
        for (task, profile) in inOrder.prefix(max(room, 0)).map(\.element) {
            switch admission.admit(task, of: profile, under: load, at: now) {
            case .granted(let replyRoom):
                guard let started = try await start(task, of: profile, holding: replyRoom, at: now) else { continue }
                work.append(started)
                load.noteSubmission(of: task.endpoint.service)
            case .afterLookup:
                work.append(Work(task: task, profile: profile, isResubmission: true))
                load.noteResubmission(of: task.id, service: task.endpoint.service)
            case .blocked(let block):
                guard let until = block.until else { continue }
                return min(comeBack ?? until, until)
            }
        }
        return comeBack
    }

    /// Writes the intent of an attempt down; nil if the task does not wait in the queue any more.
    private func start(
        _ task: TrackedTask, of profile: EndpointProfile, holding replyRoom: ReplyRoom, at now: Timestamp
    ) async throws(TaskStoreError) -> Work? {
        let token = context.callbackToken(for: task, of: profile)
        let change: TaskChange?
        do throws(TaskStoreError) {
            change = try await context.start(task, of: profile, callback: token?.digest, at: now)
        } catch .leaseHeld(let holder) {
            admission.leases.lose(profile.provider, to: holder, at: now)
            context.logger.warning("\(TaskStoreError.leaseHeld(by: holder).message)")
            return nil
        }
        // A person may have cancelled it since it was read.
        guard let change, change.transition == .advance(to: .submitting) else { return nil }
        // What is claimed together goes out together: the distance counts from here, however long the disk took.
        admission.pace(profile)
        let callbackURL = token.flatMap { token in context.callbacks?.url(for: token) }
        return Work(task: change.task, profile: profile, callbackURL: callbackURL, replyRoom: replyRoom)
    }

    package func perform(_ work: Work) async {
        guard work.isResubmission else { return await submit(work) }
        let started = await start(resubmission: work)
        admission.resubmissions.end(of: work.profile.name.service)
        context.wakes.submitter.signal()
        if let started { await submit(started) }
    }

    private func submit(_ work: Work) async {
        context.passed(.beforeFirstByte)
        let verdict: SubmitVerdict
        let leaveAlone: Duration?
        switch await request(of: work) {
        case .success(let request):
            (verdict, leaveAlone) = await send(request, of: work)
            context.passed(.afterReply)
        case .failure(let trouble):
            // Not sent for reasons of our own, which say nothing about the endpoint. What cannot be built today, since the
            // definition has changed, cannot be built tomorrow.
            let again = trouble.isForGood ? nil : context.time.now() + .seconds(5)
            await record(
                trouble.isForGood ? .submissionRefused(trouble.failure) : .submissionNotAccepted(trouble.failure),
                of: work, schedule: { _ in again })
            context.wakes.submitter.signal()
            return
        }
        await take(verdict, of: work, leaveAlone: leaveAlone)
    }

    /// Records what the reply to an attempt proves, however late it comes.
    func take(_ verdict: SubmitVerdict, of work: Work, leaveAlone: Duration? = nil) async {
        let (event, schedule) = await reading(of: verdict, for: work, leaveAlone: leaveAlone)
        // A refusal blocks the endpoint before the task can be claimed again; an id is written down before all else.
        if case .submissionAccepted = event {
            await record(event, of: work, schedule: schedule, updating: await updates(from: verdict, of: work))
            await admission.note(verdict, of: work.profile)
        } else {
            await admission.note(verdict, of: work.profile)
            let retry = admission.retry(after: verdict, of: work.profile)
            await record(
                event, of: work, schedule: { retry ?? schedule($0) },
                updating: await updates(from: verdict, of: work))
        }
        context.passed(.afterAccepted)
        context.wakes.polls.signal()
        context.wakes.lookups.signal()
    }

    private func record(
        _ event: TaskEvent, of work: Work, schedule: @escaping ScheduledEvent.Schedule,
        updating updates: StatisticsUpdates = StatisticsUpdates()
    ) async {
        _ = await context.record(
            [ScheduledEvent(event, for: work.task.id, attempt: work.task.attempts, schedule: schedule)],
            updating: updates)
    }

    /// What the reply says about how long tasks take, and about how many calls the provider bears.
    private func updates(from verdict: SubmitVerdict, of work: Work) async -> StatisticsUpdates {
        var updates = StatisticsUpdates()
        if case .answered(let observation, _) = verdict, observation.verdict != .pending {
            let (end, statistics) = await context.end(of: work.task, at: context.time.now(), saying: observation)
            updates.add(end, statistics: statistics)
        }
        if verdict.isThrottled { updates.countThrottled(about: [work.task]) }
        return updates
    }

    /// Why nothing can be sent, and whether it never can.
    private struct Trouble: Error {
        let failure: TaskFailure
        var isForGood = true
    }

    /// What is to be sent, or why it cannot be read.
    private func request(of work: Work) async -> Result<UpstreamRequest, Trouble> {
        do throws(TaskStoreError) {
            let stored = try await context.store.taskWithPayload(work.task.id)
            guard let request = stored?.payload.request.object else {
                return .failure(
                    Trouble(
                        failure: TaskFailure(
                            code: "no_request", message: "The task has no request that could be sent.")))
            }
            return Self.paid(request, of: work)
        } catch {
            return .failure(
                Trouble(failure: TaskFailure(code: error.code, message: error.message), isForGood: false))
        }
    }

    private static func paid(
        _ request: JSONObject, of work: Work
    ) -> Result<UpstreamRequest, Trouble> {
        do throws(RequestProblem) {
            return .success(
                try work.profile.dialect.submission(
                    of: request, callbackURL: work.callbackURL, ownID: work.task.id.text))
        } catch {
            return .failure(
                Trouble(
                    failure: TaskFailure(
                        code: "bad_request", message: "Nothing was sent: \(error.field) \(error.problem).")))
        }
    }

    /// What the reply proves, and how long it asks to be left alone.
    private func send(_ request: UpstreamRequest, of work: Work) async -> (SubmitVerdict, Duration?) {
        do throws(UpstreamTransportError) {
            let reply = try await context.transport.send(
                request, to: work.profile.provider, isPaid: true, timeout: context.limits.timeout(of: work.profile))
            return (
                work.profile.dialect.readSubmission(reply).redacted,
                work.profile.dialect.minimumPollDelay(from: reply)
            )
        } catch {
            return (SubmitVerdict(error), nil)
        }
    }

    /// What the verdict does to the task, and when to look at it next.
    private func reading(
        of verdict: SubmitVerdict, for work: Work, leaveAlone: Duration?
    ) async -> (TaskEvent, ScheduledEvent.Schedule) {
        let now = context.time.now()
        switch verdict {
        case .accepted(let id, let trace, let url):
            let schedule = await context.schedule(of: work.task, at: now, leaveAlone: leaveAlone)
            return (.submissionAccepted(id, traceID: trace, pollURL: url), { schedule.nextPoll(of: $0) })
        case .answered(let observation, let id):
            return (.submissionAnswered(observation, remoteID: id), { _ in nil })
        case .throttled(let failure, _), .stopped(let failure, _):
            return (.submissionNotAccepted(failure), { _ in now })
        case .refused(let failure, suspendsProvider: false)
        where work.profile.dialect.ownIDMember != nil && isRepeated(work.task):
            // Perhaps it refuses the id since it has it from an earlier attempt; a look-up will tell.
            return (.submissionInterrupted(failure, isProbablyRefused: true), { _ in now })
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

extension SubmitVerdict {
    /// What a missing reply proves.
    init(_ error: UpstreamTransportError) {
        switch error {
        case .notSent:
            self = .throttled(TaskFailure(error), retryAfter: nil)
        case .interrupted, .tooLarge, .cancelled:
            self = .unknown(TaskFailure(error))
        }
    }
}
