import Logging
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

/// Looks up the earlier attempts of tasks that will be sent again.
struct Resubmitter: Sendable {
    let store: TaskStore
    let transport: any UpstreamTransport
    let admission: AdmissionControl
    let search: LostAttemptSearch
    let starter: AttemptStarter
    let storage: StorageMonitor
    let feed: EventFeed
    let unanswered = UnansweredSearches()
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// Searches for the earlier attempts of the task, and starts a new attempt if the provider does not have them.
    /// Returns nil if nothing is sent.
    ///
    /// A proof of absence expires, because the task may have waited in the queue for hours. A policy needs a new proof. A
    /// user's decision is stopped only by a record that certainly belongs to the task.
    func start(_ work: Submitter.Work) async -> Submitter.Work? {
        let (task, endpoint) = (work.task, work.endpoint)
        let isPersons = task.resolution == .resubmitted
        do throws(TaskStoreError) {
            let attempts = try await store.givenUpAttempts(of: task.id)
            // All waiting comes before the search, so that its result is fresh.
            guard let replyRoom = transport.roomForPaidReply() else { return await later() }
            // The account that sends the task may differ from those that made the attempts.
            let maker = attempts.first.map {
                search.firstAccount(for: $0.account, endpoint.profile, at: time.now())
            }
            let searched = AccountEndpoint(endpoint.profile, of: maker ?? endpoint.account)
            guard await admission.waitForSubmissionSlot(of: endpoint), await admission.waitForQuerySlot(of: searched)
            else { return nil }
            let targets = attempts.map {
                LostAttemptSearch.Target(
                    task: task, attempt: $0.attempt, account: $0.account, endedWithDaemon: $0.endedWithDaemon)
            }
            let result =
                targets.isEmpty
                ? nil
                : await search.run(
                    for: targets, sharing: endpoint.profile, first: searched.account, isUrgent: true)
            // Even a person's decision needs a reading, if one is possible.
            if case .outdated = result { return await later() }
            let answer = result?.answer
            // After a restore the lists may show it. An account that does not reply now is tried again, twice.
            if answer?.isPartial ?? true, !targets.isEmpty, task.failure?.code == TaskFailure.perhapsSent,
                unanswered.count(task.id) <= 2
            {
                return await later()
            }
            guard await takeSlot(of: endpoint) else { return await later() }
            let now = time.now()
            let permit = admission.leases.permit(under: endpoint.lease)
            let (start, callbackURL) = try await starter.event(for: task, of: endpoint, at: now)
            let changes: [TaskChange]
            if let answer {
                changes = try await store.settle(
                    service: endpoint.name.service, attemptedIn: answer.reach, candidates: answer.candidates, at: now
                ) { view in
                    let findings = answer.findings(in: view)
                    let own = attempts.map { ($0, findings[$0.key] ?? .unproven) }
                    let isCalledBack = view.givenUp.contains {
                        $0.stored.task.id == task.id && $0.stored.task.callbacks.count > 0
                    }
                    if isCalledBack, !isPersons {
                        return [ScheduledEvent(.lookupUndecided(), for: task.id, nextDueAt: nil)]
                    }
                    return [Self.event(after: own, isPersons: isPersons, starting: start)]
                }
            } else {
                // Older versions did not store earlier attempts, so only a user can decide about them.
                let mayGo = isPersons || attempts.isEmpty && task.attempts == 0
                let event = mayGo ? start : ScheduledEvent(.lookupUndecided(), for: task.id, nextDueAt: now)
                changes = try await store.apply([event], at: now)
            }
            guard let change = changes.first(where: { $0.task.id == task.id }),
                change.transition == .advance(to: .submitting)
            else {
                wakes.lookups.signal()
                wakes.polls.signal()
                return nil
            }
            return Submitter.Work(
                task: change.task, endpoint: endpoint, callbackURL: callbackURL, permit: permit, replyRoom: replyRoom)
        } catch {
            if case .leaseHeld(let holder) = error {
                starter.loseLease(of: endpoint, to: holder)
                return await later()
            }
            if case .unknown = error {
                starter.noteUnknownClaim(of: task)
                storage.invalidateCaches()
            }
            logger.about(task, code: error.code).error(
                "Could not look for earlier attempts of \(task.id): \(error.message)")
            return await later()
        }
    }

    /// The event that follows from the findings about earlier attempts.
    private static func event(
        after own: [(GivenUpAttempt, LostAttemptSearch.Finding)], isPersons: Bool, starting start: ScheduledEvent
    ) -> ScheduledEvent {
        for case (let attempt, .found(let id, let trace, let account)) in own {
            return ScheduledEvent(
                .turnedUp(id, traceID: trace), for: start.task, attempt: attempt.attempt.number, shownTo: account,
                nextDueAt: nil)
        }
        let isProven = own.allSatisfy { $0.1 == .absent }
        let possible = own.flatMap { finding in
            if case .possible(let ids, let isSame) = finding.1, isSame || !isPersons { ids } else { [RemoteTaskID]() }
        }
        guard possible.isEmpty, isProven || isPersons else {
            return ScheduledEvent(.lookupUndecided(possible: possible), for: start.task, nextDueAt: nil)
        }
        return start
    }

    /// Waits for a second and starts nothing, so that the task is not claimed again at once.
    private func later() async -> Submitter.Work? {
        await time.sleep(until: time.now() + .seconds(1))
        return nil
    }

    /// Waits for the next slot in the pace of the service. False if the daemon stops or the endpoint is blocked first.
    private func takeSlot(of endpoint: AccountEndpoint) async -> Bool {
        while let slot = admission.takePace(of: endpoint) {
            guard !Task.isCancelled else { return false }
            await time.sleep(until: slot)
        }
        let now = time.now()
        return !feed.isClosing && admission.block(on: endpoint.profile, at: now) == nil
            && admission.block(on: endpoint, at: now) == nil
    }
}

/// Counts the searches for a task that the provider did not answer.
final class UnansweredSearches: Sendable {
    private let counts = Mutex<[TaskID: Int]>([:])

    /// Counts one search, and returns the total.
    func count(_ task: TaskID) -> Int {
        counts.withLock { counts in
            counts[task, default: 0] += 1
            return counts[task, default: 0]
        }
    }
}
