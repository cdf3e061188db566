import Logging
import ProviderCatalog
package import TaskModel
package import TaskStore
import VerbatimJSON

/// Sends queued tasks to their providers, each exactly once.
///
/// Before the first byte of a paid request its intent is on disk. What the reply proves decides what follows, and a
/// reply that proves nothing leads to `uncertain`, never to another try.
package struct Submitter: WorkLoop {
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

    /// The loop over the queue.
    package init(_ context: EngineContext) {
        self.context = context
    }

    package func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        // While the daemon stops nothing more is paid for.
        guard !context.feed.isClosing else { return now + .seconds(60) }
        try await context.settleUnknownClaims(at: now)
        var comeBack = now + .seconds(60)
        var open: [String: [EndpointProfile]] = [:]
        for endpoint in try await context.store.endpointsWithQueue() {
            guard let profile = context.catalog.endpoint(endpoint) else { continue }
            switch context.hold(on: profile, at: now) {
            case .some(.until(let point, _)): comeBack = min(comeBack, point)
            case .some(.untilChanged): break
            case nil: open[endpoint.service, default: []].append(profile)
            }
        }
        var room = context.limits.submissionsInParallel
        for service in try await context.store.services(in: .submitting) {
            room -= try await context.store.inFlight(in: [.submitting], of: service, upTo: room)
        }
        // Services in any order, so that none is always served last; by the dice alone, not by the order of a dictionary.
        let services = open.keys.sorted()
        for service in context.random.draw({ services.shuffled(using: &$0) }) where room > 0 {
            guard let profiles = open[service] else { continue }
            let next = try await claim(of: profiles, room: &room, into: &work, at: now)
            comeBack = min(comeBack, next ?? comeBack)
        }
        return comeBack
    }

    /// Claims what may go on the endpoints of one service, which share its limits; returns when more may.
    private func claim(
        of profiles: [EndpointProfile], room: inout Int, into work: inout [Work], at now: Timestamp
    ) async throws(TaskStoreError) -> Timestamp? {
        guard let any = profiles.first else { return nil }
        let service = any.name.service
        var free = room
        if let limit = context.maxInFlight(of: any) {
            free = min(
                room, limit - (try await context.store.inFlight(in: [.submitting, .running], of: service, upTo: limit)))
        }
        let resubmissions = context.resubmissions.tasks(of: service)
        free -= resubmissions.count
        var waiting: [(task: TrackedTask, profile: EndpointProfile)] = []
        var comeBack: Timestamp?
        // No more than can go, and one that shows that somebody waits.
        let tokens = context.budget.available(of: any.provider, perSecond: context.callsPerSecond(of: any.provider))
        let most = min(free, tokens.map { $0 + 1 } ?? free)
        for profile in profiles {
            if most > 0 {
                let ready = try await context.store.queued(
                    on: profile.name, at: now, limit: most + resubmissions.count)
                waiting += ready.filter { !resubmissions.contains($0.id) }.map { ($0, profile) }
            }
            if let next = try await context.store.nextQueued(on: profile.name, after: now) {
                comeBack = min(comeBack ?? next, next)
            }
        }
        // By priority, then age, over all endpoints of the service; of one endpoint's they come in this order already.
        let inOrder = waiting.enumerated().sorted { left, right in
            let (one, other) = (left.element.task, right.element.task)
            return (other.priority, one.createdAt, left.offset) < (one.priority, other.createdAt, right.offset)
        }
        for (candidate, profile) in inOrder.prefix(max(free, 0)).map(\.element) {
            // One alone where an endpoint has failed so often that it has to show first that it is well again.
            if context.gates.isHalfOpen(.submissions, profile.name.text) {
                guard resubmissions.isEmpty, try await !isSending(service) else { continue }
            }
            // Whether it is being sent is not known before its claim is settled.
            guard context.storage.unknownClaims[candidate.id] == nil else { continue }
            if candidate.mayHaveBeenAccepted, !profile.needsPersonWhenUncertain {
                // One at a time, so that no reading ages while others take their turns.
                guard context.resubmissions.begin(candidate.id, of: service) else { continue }
                work.append(Work(task: candidate, profile: profile, isResubmission: true))
                room -= 1
                continue
            }
            // A lack of memory of ours says nothing about the endpoint: the task stays as it is.
            guard let replyRoom = context.transport.roomForPaidReply() else {
                return min(comeBack ?? now + .seconds(1), now + .seconds(1))
            }
            let lane = CallBudget.Lane.submissions(profile.name.text)
            if let slot = context.submissionPacer.nextSlot(of: service) ?? context.slot(for: lane, of: profile) {
                return min(comeBack ?? slot, slot)
            }
            let token = context.callbackToken(for: candidate, of: profile)
            let change = try await context.start(candidate, of: profile, callback: token?.digest, at: now)
            // A person may have cancelled it since it was read.
            guard let change, change.transition == .advance(to: .submitting) else { continue }
            // What is claimed together goes out together: the distance counts from here, however long the disk took.
            context.pace(profile)
            let callbackURL = token.flatMap { token in context.callbacks?.url(for: token) }
            work.append(
                Work(task: change.task, profile: profile, callbackURL: callbackURL, replyRoom: replyRoom))
            room -= 1
        }
        return comeBack
    }

    private func isSending(_ service: String) async throws(TaskStoreError) -> Bool {
        try await context.store.inFlight(in: [.submitting], of: service, upTo: 1) > 0
    }

    package func perform(_ work: Work) async {
        guard work.isResubmission else { return await submit(work) }
        let started = await start(resubmission: work)
        context.resubmissions.end(of: work.profile.name.service)
        context.wakes.submitter.nudge()
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
            context.wakes.submitter.nudge()
            return
        }
        await take(verdict, of: work, leaveAlone: leaveAlone)
    }

    /// Records what the reply to an attempt proves, however late it comes.
    func take(_ verdict: SubmitVerdict, of work: Work, leaveAlone: Duration? = nil) async {
        let (event, schedule) = await reading(of: verdict, for: work, leaveAlone: leaveAlone)
        // A refusal closes the gate before the task can be claimed again; an id is written down before all else.
        if case .submissionAccepted = event {
            await record(event, of: work, schedule: schedule, teaching: await lessons(from: verdict, of: work))
            await adjustGates(after: verdict, of: work)
        } else {
            await adjustGates(after: verdict, of: work)
            let turn = turn(after: verdict, of: work)
            await record(
                event, of: work, schedule: { turn ?? schedule($0) }, teaching: await lessons(from: verdict, of: work))
        }
        context.passed(.afterAccepted)
        context.wakes.polls.nudge()
        context.wakes.lookups.nudge()
    }

    /// When a task that was not accepted comes next where one at a time shows whether the endpoint is well again: after
    /// the others, since it may be the one that the endpoint never takes.
    private func turn(after verdict: SubmitVerdict, of work: Work) -> Timestamp? {
        let name = work.profile.name.text
        guard case .throttled = verdict, context.gates.isHalfOpen(.submissions, name) else { return nil }
        return (context.gates.gate(.submissions, name).closedUntil ?? context.time.now()) + .seconds(5)
    }

    private func record(
        _ event: TaskEvent, of work: Work, schedule: @escaping PlannedEvent.Schedule,
        teaching lessons: LessonPlan = LessonPlan()
    ) async {
        _ = await context.record(
            [PlannedEvent(event, for: work.task.id, attempt: work.task.attempts, schedule: schedule)],
            teaching: lessons)
    }

    /// What the reply says about how long tasks take, and about how many calls the provider bears.
    private func lessons(from verdict: SubmitVerdict, of work: Work) async -> LessonPlan {
        var lessons = LessonPlan()
        if case .answered(let observation, _) = verdict, observation.verdict != .pending {
            let (end, experience) = await context.end(of: work.task, at: context.time.now(), saying: observation)
            lessons.add(end, experience: experience)
        }
        if verdict.isTooMany { lessons.countThrottled(about: [work.task]) }
        return lessons
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
                try work.profile.submission(
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
                request, to: work.profile.provider, isPaid: true, timeout: context.timeout(of: work.profile))
            return (work.profile.readSubmission(reply).redacted, work.profile.leaveAlone(after: reply))
        } catch {
            return (SubmitVerdict(error), nil)
        }
    }

    /// What the verdict does to the task, and when to look at it next.
    private func reading(
        of verdict: SubmitVerdict, for work: Work, leaveAlone: Duration?
    ) async -> (TaskEvent, PlannedEvent.Schedule) {
        let now = context.time.now()
        switch verdict {
        case .accepted(let id, let trace, let url):
            let schedule = await context.schedule(of: work.task, at: now, leaveAlone: leaveAlone)
            return (.submissionAccepted(id, traceID: trace, pollURL: url), { schedule.nextPoll(of: $0) })
        case .answered(let observation, let id):
            return (.submissionAnswered(observation, remoteID: id), { _ in nil })
        case .throttled(let failure, _), .stopped(let failure, _):
            return (.submissionNotAccepted(failure), { _ in now })
        case .refused(let failure, stopsProvider: false) where work.profile.ownIDMember != nil && isRepeated(work.task):
            // Perhaps it refuses the id since it has it from an earlier attempt; a look-up will tell.
            return (.submissionInterrupted(failure, isProbablyRefused: true), { _ in now })
        case .refused(let failure, _):
            return (.submissionRefused(failure), { _ in nil })
        case .probablyRefused(let failure):
            return (.submissionInterrupted(failure, isProbablyRefused: true), { _ in now })
        case .unknown(let failure):
            return (.submissionInterrupted(failure, isProbablyRefused: false), { _ in now })
        }
    }

    private func isRepeated(_ task: TrackedTask) -> Bool { task.attempts > 1 }

    /// What the verdict says about the endpoint and the provider, beyond this task.
    private func adjustGates(after verdict: SubmitVerdict, of work: Work) async {
        let now = context.time.now()
        let name = work.profile.name.text
        let lane = CallBudget.Lane.submissions(name)
        if verdict.isTooMany {
            context.budget.throttled(lane, perSecond: context.callsPerSecond(of: work.profile.provider))
        }
        switch verdict {
        case .accepted, .answered:
            context.budget.succeeded(lane)
            await context.gates.succeeded(.submissions, name, at: now)
        case .throttled(let failure, let retryAfter):
            await context.gates.failed(.submissions, name, because: failure, retryAfter: retryAfter, at: now)
        case .stopped(let failure, .endpoint):
            await context.stopEndpoint(work.profile.name, because: failure)
        case .stopped(let failure, .account), .refused(let failure, stopsProvider: true):
            await context.stopProvider(work.profile.provider, because: failure)
        case .refused(_, stopsProvider: false):
            await context.gates.succeeded(.submissions, name, at: now)
        case .probablyRefused(let failure), .unknown(let failure):
            // One lost reply is bad luck; several in a row are an endpoint in trouble, and each may have cost money.
            await context.gates.failed(.submissions, name, because: failure, tolerated: 2, at: now)
        }
    }
}

extension SubmitVerdict {
    /// Whether the provider itself said "too many", rather than not being reached.
    fileprivate var isTooMany: Bool {
        if case .throttled(let failure, _) = self { failure.code != "not_sent" } else { false }
    }

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
