import Logging
import PollingPolicy
import ProviderCatalog
import TaskModel
import TaskStore

extension PollScheduler {
    package func perform(_ work: PollBatch) async {
        defer {
            inFlight.end(work)
            context.plans.end(work)
        }
        guard let first = work.tasks.first else { return }
        context.passed(.duringPoll)
        let askedAt = context.time.now()
        var updates = StatisticsUpdates()
        let ids = work.tasks.compactMap(\.remoteID)
        if work.tasks.count > 1, let batching = work.profile.batching, let request = batching.lookup(ids) {
            let verdict = await send(request, of: work, counting: &updates).map {
                batching.read($0, of: ids)
                    .asked(at: askedAt, leaveAlone: work.profile.dialect.minimumPollDelay(from: $0))
            }
            await finish(work, with: verdict, updating: updates)
        } else if let id = first.remoteID {
            let verdict = await lookup(id, of: first, in: work, counting: &updates).map { $0.asked(at: askedAt) }
            await finish(first, of: work, with: verdict, updating: updates)
        }
    }

    /// Asks for one task and, once its record says that it is done, for its result where that stands elsewhere.
    ///
    /// A result that cannot be had yet leaves the task running: it is asked for again, and nothing is lost.
    private func lookup(
        _ id: RemoteTaskID, of task: TrackedTask, in work: PollBatch, counting updates: inout StatisticsUpdates
    ) async -> Result<LookupVerdict, UpstreamTransportError> {
        let (profile, dialect) = (work.profile, work.profile.dialect)
        do throws(RequestProblem) {
            let request = try dialect.lookup(id, pollURL: task.pollURL)
            let verdict = await send(request, of: work, counting: &updates).map {
                dialect.readLookup($0, of: id).leavingAlone(dialect.minimumPollDelay(from: $0))
            }
            guard case .success(.observed(let done)) = verdict, case .succeeded = done.verdict,
                let fetching = profile.resultFetching
            else { return verdict }
            let result = try fetching.request(of: id, record: done.record)
            guard await context.admission.waitForSlot(for: .queries(work.service), of: profile) else {
                return .failure(.cancelled)
            }
            return await send(result, of: work, counting: &updates).map { fetching.read($0, of: id, after: done) }
        } catch {
            let failure = TaskFailure(code: Self.cannotAsk, message: "\(error.field): \(error.problem)")
            return .success(.failed(failure, suspendsProvider: false))
        }
    }

    private func send(
        _ request: UpstreamRequest, of work: PollBatch, counting updates: inout StatisticsUpdates
    ) async -> Result<UpstreamReply, UpstreamTransportError> {
        context.meter.count(work.service)
        context.calls.count(about: work.tasks)
        do throws(UpstreamTransportError) {
            let reply = try await context.transport.send(
                request, to: work.profile.provider, isPaid: false, timeout: context.limits.pollTimeout)
            context.passed(.afterPollReply)
            return .success(reply)
        } catch {
            return .failure(error)
        }
    }

    // MARK: What a query taught

    private func finish(
        _ task: TrackedTask, of work: PollBatch, with verdict: Result<LookupVerdict, UpstreamTransportError>,
        updating updates: StatisticsUpdates
    ) async {
        var updates = updates
        let now = context.time.now()
        switch verdict {
        case .success(.observed(let observation)):
            inFlight.markAlone(false, task.id)
            await record([(task, .observed(observation))], updating: &updates, at: now)
            await answered(work)
        case .success(.notFound):
            inFlight.markAlone(true, task.id)
            await record([(task, await missing(task, at: now))], updating: &updates, at: now)
            await answered(work)
        case .success(.throttled(let failure, let retryAfter)):
            updates.countThrottled(about: work.tasks)
            await slow(work, because: failure, isThrottled: true, retryAfter: retryAfter, updating: updates)
        case .success(.failed(let failure, let suspendsProvider)):
            if suspendsProvider { await context.admission.suspend(.provider(work.profile.provider), because: failure) }
            await failed(task, of: work, because: failure, isAboutAll: suspendsProvider, updating: updates)
        case .failure(let error):
            if case .tooLarge = error {
                return await tooLarge(task, of: work, because: TaskFailure(error), updating: updates)
            }
            await failed(
                task, of: work, because: TaskFailure(error), isAboutAll: error.isAboutAll, updating: updates)
        }
    }

    private func answered(_ work: PollBatch) async {
        inFlight.noteAnswer(
            of: work.service, about: work.tasks.map(\.id), upTo: work.profile.batchSize ?? context.limits.batchSize)
        await context.admission.queriesSucceeded(of: work.service)
    }

    /// The record has more bytes than are read: told once, and asked for seldom. The service itself has answered.
    private func tooLarge(
        _ task: TrackedTask, of work: PollBatch, because failure: TaskFailure, updating updates: StatisticsUpdates
    ) async {
        inFlight.markAlone(true, task.id)
        if inFlight.noteTooLarge(task.id) {
            context.logger.warning(
                """
                \(task.id) \(task.endpoint): \(failure.message) It is asked for again each hour; nothing is lost. \
                \(failure.hint ?? "")
                """)
            _ = await context.record([ScheduledEvent(.replyTooLarge(failure), for: task.id, nextDueAt: nil)])
        }
        await postpone([task.id], until: context.time.now() + context.limits.tooLargeGap)
        await context.admission.queriesSucceeded(of: work.service)
        await context.updateStatistics(updates)
    }

    /// A query about one task failed. Where others of the service are answered meanwhile, it is this task's trouble: only
    /// it is left alone, longer and longer, and nobody else waits for it.
    private func failed(
        _ task: TrackedTask, of work: PollBatch, because failure: TaskFailure, isAboutAll: Bool,
        updating updates: StatisticsUpdates
    ) async {
        let own =
            isAboutAll
            ? 0 : inFlight.noteFailure(of: task.id, service: work.service, isOwn: failure.code == Self.cannotAsk)
        guard own > 0 else { return await slow(work, because: failure, updating: updates) }
        inFlight.markAlone(true, task.id)
        let gap = min(
            context.polling.minGap * (1 << min(2 * own, 20)),
            max(context.polling.maxGap, PollingPolicy.maxUnrecognisedGap))
        context.logger.warning(
            """
            \(task.id) could not be asked about, and others of \(work.service) can: \(failure.code): \(failure.message) \
            It is asked for again in \(Int(gap.inSeconds.rounded())) s; nothing is lost.
            """)
        await postpone([task.id], until: context.time.now() + gap)
        await context.updateStatistics(updates)
    }

    /// Nothing was sent, since the address may not be asked.
    private static let cannotAsk = "cannot_ask"

    private func finish(
        _ work: PollBatch, with verdict: Result<BatchVerdict, UpstreamTransportError>,
        updating updates: StatisticsUpdates
    ) async {
        var updates = updates
        let now = context.time.now()
        switch verdict {
        case .success(.observed(let observations)):
            var seen: [(TrackedTask, TaskEvent)] = []
            var absent: [TaskID] = []
            for task in work.tasks {
                if let observation = task.remoteID.flatMap({ observations[$0] }) {
                    seen.append((task, .observed(observation)))
                } else {
                    // That a batch leaves an id out says nothing about its task; it is asked for alone next.
                    inFlight.markAlone(true, task.id)
                    absent.append(task.id)
                }
            }
            await record(seen, updating: &updates, at: now)
            await postpone(absent, until: now + context.polling.minGap)
            await answered(work)
        case .success(.throttled(let failure, let retryAfter)):
            updates.countThrottled(about: work.tasks)
            await slow(work, because: failure, isThrottled: true, retryAfter: retryAfter, updating: updates)
        case .success(.failed(let failure, let suspendsProvider)):
            if suspendsProvider { await context.admission.suspend(.provider(work.profile.provider), because: failure) }
            if !suspendsProvider { inFlight.halveBatch(of: work.service, naming: work.tasks.count) }
            await slow(work, because: failure, updating: updates)
        case .failure(let error):
            if !error.isAboutAll { inFlight.halveBatch(of: work.service, naming: work.tasks.count) }
            await slow(work, because: TaskFailure(error), updating: updates)
        }
    }

    private func record(
        _ seen: [(task: TrackedTask, event: TaskEvent)], updating updates: inout StatisticsUpdates, at now: Timestamp
    ) async {
        var events: [ScheduledEvent] = []
        for (task, event) in seen {
            var leaveAlone: Duration?
            var isPending = false
            switch event {
            case .observed(let observation) where observation.verdict == .pending:
                context.notice(observation, of: task, at: now)
                leaveAlone = observation.leaveAloneFor
                isPending = true
            case .observed(let observation), .endedByCallback(let observation):
                context.notice(observation, of: task, at: now)
                let (end, statistics) = await context.end(of: task, at: now, saying: observation)
                updates.add(end, statistics: statistics)
            default: break
            }
            let schedule = await context.schedule(of: task, at: now, sharedBy: seen.count, leaveAlone: leaveAlone)
            events.append(
                ScheduledEvent(
                    event, for: task.id,
                    consequence: { [isPending] in isPending && schedule.isNewlySlow($0) ? .slowerThanUsual : nil },
                    schedule: { schedule.nextPoll(of: $0) }))
        }
        updates.add(context.calls.take(about: seen.map(\.task), all: updates.hasEnds))
        let changes = await context.record(events, updating: updates)
        // What a callback told while this was being asked may be newer than the answer.
        let calledBack = changes.map(\.task).filter { $0.state == .running && $0.isCalledBack }.map(\.id)
        await postpone(calledBack, until: now + context.polling.minGap)
        // A task that ended makes room for the next one.
        if changes.contains(where: { $0.task.state.hasEnded }) { context.wakes.submitter.signal() }
    }

    /// One miss proves little, many over a long time do; where the provider has delivered how the task ended, a few do.
    private func missing(_ task: TrackedTask, at now: Timestamp) async -> TaskEvent {
        let missing = context.clock.verifiedElapsed(since: task.firstMissAt ?? now)
        if task.callbacks.finalAt != nil, task.notFoundCount + 1 >= context.limits.notFoundBeforeCallbackDecides,
            missing >= context.limits.missSpanBeforeCallbackDecides,
            let outcome = await context.deliveredOutcome(of: task)
        {
            return .endedByCallback(outcome)
        }
        let slow = context.catalog.endpoint(task.endpoint)?.upperDuration ?? .zero
        let isLost =
            task.notFoundCount + 1 >= context.limits.notFoundBeforeLost
            && missing >= max(context.limits.missSpan, slow * 2)
        return isLost ? .remoteTaskGone : .missed
    }

    /// Leaves the service alone for a while, and these tasks until their next turn.
    private func slow(
        _ work: PollBatch, because failure: TaskFailure, isThrottled: Bool = false, retryAfter: Duration? = nil,
        updating updates: StatisticsUpdates
    ) async {
        await context.admission.queriesFailed(
            of: work.profile, because: failure, isThrottled: isThrottled, retryAfter: retryAfter)
        context.logger.warning(
            "A status query of \(work.service) for \(work.tasks.count) task(s) failed, and is made again later: \(failure.code): \(failure.message)"
        )
        // Where only one query shows whether the service is well again, the next one is somebody else's: this one may be
        // what it cannot answer.
        var until = context.time.now() + context.polling.minGap
        if context.admission.breakers.isHalfOpen(.polls(work.service)) {
            until =
                max(until, context.admission.breakers.state(of: .polls(work.service)).closedUntil ?? until)
                + context.polling.minGap * 5
        }
        await postpone(work.tasks.map(\.id), until: until)
        await context.updateStatistics(updates)
    }

    private func postpone(_ ids: [TaskID], until point: Timestamp) async {
        guard !ids.isEmpty else { return }
        do throws(TaskStoreError) {
            try await context.store.postpone(ids, until: point)
        } catch {
            context.logger.error("Could not put off \(ids.count) task(s): \(error.message)")
        }
    }
}

extension LookupVerdict {
    /// The same, with the time when it was asked for.
    fileprivate func asked(at time: Timestamp) -> LookupVerdict {
        guard case .observed(var observation) = self else { return self }
        observation.askedAt = time
        return .observed(observation)
    }

    /// The same, with what the reply says about the next query.
    fileprivate func leavingAlone(_ span: Duration?) -> LookupVerdict {
        guard let span, case .observed(var observation) = self else { return self }
        observation.leaveAloneFor = span
        return .observed(observation)
    }
}

extension BatchVerdict {
    /// The same, with the time when it was asked for, and what the reply says about the next query.
    fileprivate func asked(at time: Timestamp, leaveAlone: Duration?) -> BatchVerdict {
        guard case .observed(let observations) = self else { return self }
        return .observed(
            observations.mapValues { observation in
                var observation = observation
                observation.askedAt = time
                observation.leaveAloneFor = leaveAlone
                return observation
            })
    }
}

extension UpstreamTransportError {
    /// Whether it says nothing about what was asked: the provider was not reached, or we stopped.
    fileprivate var isAboutAll: Bool {
        switch self {
        case .notSent, .cancelled: true
        case .interrupted, .tooLarge: false
        }
    }
}

extension EngineContext {
    /// What a delivery called the end of the task; nil where none did, or where it cannot be read now.
    func deliveredOutcome(of task: TrackedTask) async -> Observation? {
        do throws(TaskStoreError) {
            guard let body = try await store.deliveredOutcome(of: task.id),
                let dialect = catalog.endpoint(task.endpoint)?.dialect,
                case (let id, var observation)? = dialect.readCallback(body), observation.verdict != .pending
            else { return nil }
            // Of an attempt that was thought lost, under whose id this task does not run.
            if let id, let own = task.remoteID, id != own { return nil }
            // The address of a result may need the id, which the body does not name.
            if id == nil, case .succeeded = observation.verdict {
                observation.results = dialect.results(in: observation.record, of: task.remoteID)
            }
            return observation
        } catch {
            logger.error("Could not read what was delivered for \(task.id): \(error.message)")
            return nil
        }
    }
}

extension TaskFailure {
    /// Why a request brought no reply.
    init(_ error: UpstreamTransportError) {
        switch error {
        case .notSent(let reason): self.init(code: "not_sent", message: "The provider could not be reached: \(reason)")
        case .interrupted(let reason): self.init(code: "reply_lost", message: "The reply was lost: \(reason)")
        case .tooLarge(let maxBytes):
            self.init(
                code: "reply_too_large",
                message: "The provider's reply is larger than \(maxBytes) bytes, so it was not read.",
                hint: "Raise `upstream.max_reply_bytes` and restart the daemon to have it read.")
        case .cancelled:
            self.init(code: TaskFailure.daemonStopped, message: "The daemon stopped before the reply came.")
        }
    }
}
