import ProviderCatalog
import TaskModel
import TaskStore

/// Sends one status query and records its reply.
struct Poller: Sendable {
    let sender: QuerySender
    let calls: PollCountBuffer
    let metrics: EngineMetrics
    let admission: AdmissionControl
    let inFlight: InFlightPolls
    let results: PollResults
    let failures: PollFailures
    /// The maximum number of ids in one query; see ``EngineLimits/batchSize``.
    let batchSize: Int
    let time: any TimeSource
    let passed: @Sendable (CrashPoint) -> Void

    /// Polls the tasks of a batch, and records the reply.
    func poll(_ work: PollBatch) async {
        guard let first = work.tasks.first else { return }
        passed(.duringPoll)
        let askedAt = time.now()
        metrics.notePoll(of: work.tasks, at: askedAt)
        let ids = work.tasks.compactMap(\.remoteID)
        if work.tasks.count > 1, let batching = work.profile.batching, let request = batching.lookup(ids) {
            let verdict = await send(request, of: work).map {
                batching.read($0, of: ids)
                    .asked(at: askedAt, minimumDelay: work.profile.dialect.minimumPollDelay(from: $0))
            }
            await finish(work, with: verdict)
        } else if let id = first.remoteID {
            let verdict = await lookup(id, of: first, in: work).map { $0.asked(at: askedAt) }
            await finish(first, of: work, with: verdict)
        }
    }

    /// Polls one task. If its record says that it is done and the result has a separate address, it fetches that too.
    ///
    /// If the result is not available yet, the task stays running and is polled again.
    private func lookup(
        _ id: RemoteTaskID, of task: TrackedTask, in work: PollBatch
    ) async -> Result<LookupVerdict, UpstreamTransportError> {
        let (profile, dialect) = (work.profile, work.profile.dialect)
        do throws(RequestProblem) {
            let request = try dialect.lookup(id, pollURL: task.pollURL)
            let verdict = await send(request, of: work).map {
                dialect.readLookup($0, of: id).delayed(by: dialect.minimumPollDelay(from: $0))
            }
            guard case .success(.observed(let done)) = verdict, case .succeeded = done.verdict,
                let fetching = profile.resultFetching
            else { return verdict }
            let result = try fetching.request(of: id, record: done.record)
            guard await admission.waitForQuerySlot(of: work.endpoint) else {
                return .failure(.cancelled)
            }
            return await send(result, of: work).map { fetching.read($0, of: id, after: done) }
        } catch {
            let failure = TaskFailure(code: PollFailures.cannotAsk, message: "\(error.field): \(error.problem)")
            return .success(.failed(failure, suspendsProvider: false))
        }
    }

    private func send(
        _ request: UpstreamRequest, of work: PollBatch
    ) async -> Result<UpstreamReply, UpstreamTransportError> {
        calls.count(about: work.tasks)
        do throws(UpstreamTransportError) {
            let reply = try await sender.send(request, by: work.endpoint)
            passed(.afterPollReply)
            return .success(reply)
        } catch {
            return .failure(error)
        }
    }

    // MARK: Replies

    private func finish(
        _ task: TrackedTask, of work: PollBatch, with verdict: Result<LookupVerdict, UpstreamTransportError>
    ) async {
        let now = time.now()
        switch verdict {
        case .success(.observed(let observation)):
            inFlight.markAlone(false, task.id)
            await results.record([(task, .observed(observation))], at: now)
            await answered(work)
        case .success(.notFound):
            inFlight.markAlone(true, task.id)
            await results.recordNotFound(task, at: now)
            await answered(work)
        case .success(.throttled(let failure, let retryAfter)):
            await failures.slow(work, because: failure, isThrottled: true, retryAfter: retryAfter)
        case .success(.failed(let failure, let suspendsProvider)):
            if suspendsProvider { await admission.suspend(work.endpoint.owner, because: failure) }
            await failures.failed(task, of: work, because: failure, isAboutAll: suspendsProvider)
        case .failure(let error):
            if case .tooLarge = error {
                return await failures.tooLarge(task, of: work, because: TaskFailure(error))
            }
            await failures.failed(
                task, of: work, because: TaskFailure(error), isAboutAll: error.isAboutAll)
        }
    }

    private func answered(_ work: PollBatch) async {
        inFlight.noteAnswer(
            of: work.service, about: work.tasks.map(\.id), upTo: work.profile.batchSize ?? batchSize)
        await admission.queriesSucceeded(of: work.service)
    }

    private func finish(
        _ work: PollBatch, with verdict: Result<BatchVerdict, UpstreamTransportError>
    ) async {
        let now = time.now()
        switch verdict {
        case .success(.observed(let observations)):
            var seen: [(TrackedTask, TaskEvent)] = []
            var absent: [TaskID] = []
            for task in work.tasks {
                if let observation = task.remoteID.flatMap({ observations[$0] }) {
                    seen.append((task, .observed(observation)))
                } else {
                    // A batch reply that omits an id proves nothing. The next query polls the task alone.
                    inFlight.markAlone(true, task.id)
                    absent.append(task.id)
                }
            }
            await results.record(seen, at: now)
            await results.askSoon(absent, at: now)
            await answered(work)
        case .success(.throttled(let failure, let retryAfter)):
            await failures.slow(work, because: failure, isThrottled: true, retryAfter: retryAfter)
        case .success(.failed(let failure, let suspendsProvider)):
            if suspendsProvider { await admission.suspend(work.endpoint.owner, because: failure) }
            if !suspendsProvider { inFlight.halveBatch(of: work.service, naming: work.tasks.count) }
            await failures.slow(work, because: failure)
        case .failure(let error):
            if !error.isAboutAll { inFlight.halveBatch(of: work.service, naming: work.tasks.count) }
            await failures.slow(work, because: TaskFailure(error))
        }
    }
}

extension LookupVerdict {
    /// The same, with the time of the query.
    fileprivate func asked(at time: Timestamp) -> LookupVerdict {
        guard case .observed(var observation) = self else { return self }
        observation.askedAt = time
        return .observed(observation)
    }

    /// The same, with the minimum delay that the reply asks for.
    fileprivate func delayed(by span: Duration?) -> LookupVerdict {
        guard let span, case .observed(var observation) = self else { return self }
        observation.minimumPollDelay = span
        return .observed(observation)
    }
}

extension BatchVerdict {
    /// The same, with the time of the query and the minimum delay that the reply asks for.
    fileprivate func asked(at time: Timestamp, minimumDelay: Duration?) -> BatchVerdict {
        guard case .observed(let observations) = self else { return self }
        return .observed(
            observations.mapValues { observation in
                var observation = observation
                observation.askedAt = time
                observation.minimumPollDelay = minimumDelay
                return observation
            })
    }
}

extension UpstreamTransportError {
    /// Whether the error says nothing about the tasks: the provider was not reached, or the daemon is stopping.
    fileprivate var isAboutAll: Bool {
        switch self {
        case .notSent, .outdated, .leaseExpired, .cancelled: true
        case .interrupted, .tooLarge: false
        }
    }
}
