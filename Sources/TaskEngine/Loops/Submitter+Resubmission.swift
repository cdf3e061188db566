import Logging
import ProviderCatalog
import TaskModel
import TaskStore

extension Submitter {
    /// Looks once more for the earlier attempts of a task that is to be sent again, and starts the new attempt if the
    /// provider does not show them; nil where it is not to be sent.
    ///
    /// A proof of absence ages: the task may have waited in the queue for hours. What a policy decided needs the proof anew.
    /// What a person decided is stopped only by a record that is certainly the task's.
    func start(resubmission work: Work) async -> Work? {
        let (task, profile) = (work.task, work.profile)
        let isPersons = task.resolution == .resubmitted
        do throws(TaskStoreError) {
            let attempts = try await context.store.givenUpAttempts(of: task.id)
            // What takes time comes before the reading, which would age meanwhile.
            guard let replyRoom = context.transport.roomForPaidReply() else { return await later() }
            guard await admission.waitForSlot(for: .submissions(profile.name), of: profile),
                await admission.waitForSlot(for: .queries(profile.name.service), of: profile)
            else { return nil }
            let search = LostAttemptSearch(
                context: context, service: profile.name.service, profile: profile,
                targets: attempts.map {
                    LostAttemptSearch.Target(task: task, attempt: $0.attempt, endedWithDaemon: $0.endedWithDaemon)
                })
            let answer = attempts.isEmpty ? nil : await search.run()
            guard await takeSlot(of: profile) else { return await later() }
            let now = context.time.now()
            let token = context.callbackToken(for: task, of: profile)
            let start = ScheduledEvent(
                .submissionStarted(callback: token?.digest), for: task.id,
                under: LeaseName(provider: profile.provider),
                nextDueAt: now + context.limits.timeout(of: profile)
            )
            let changes: [TaskChange]
            if let answer {
                changes = try await context.store.settle(
                    service: profile.name.service, attemptedIn: answer.reach, candidates: answer.candidates, at: now
                ) { view in
                    let findings = answer.findings(in: view)
                    let own = view.givenUp.filter { $0.stored.task.id == task.id }.map {
                        ($0.givenUp, findings[$0.givenUp.key])
                    }
                    let isCalledBack = view.givenUp.contains {
                        $0.stored.task.id == task.id && $0.stored.task.callbacks.count > 0
                    }
                    if isCalledBack, !isPersons {
                        return [ScheduledEvent(.lookupUndecided(), for: task.id, nextDueAt: nil)]
                    }
                    return [Self.event(after: own, isPersons: isPersons, starting: start)]
                }
            } else {
                // Of an attempt from before such attempts were kept only the person who wants it sent again can tell.
                let mayGo = isPersons || attempts.isEmpty && task.attempts == 0
                let event = mayGo ? start : ScheduledEvent(.lookupUndecided(), for: task.id, nextDueAt: now)
                changes = try await context.store.apply([event], at: now)
            }
            guard let change = changes.first(where: { $0.task.id == task.id }),
                change.transition == .advance(to: .submitting)
            else {
                context.wakes.lookups.signal()
                context.wakes.polls.signal()
                return nil
            }
            return Work(
                task: change.task, profile: profile,
                callbackURL: token.flatMap { token in context.callbacks?.url(for: token) }, replyRoom: replyRoom)
        } catch {
            if case .leaseHeld(let holder) = error {
                admission.leases.lose(profile.provider, to: holder, at: context.time.now())
            }
            if case .unknown = error {
                context.storage.noteUnknownClaim(of: task.id, attempt: task.attempts + 1)
                context.doubtWhatIsKnown()
            }
            context.logger.error("Could not look for earlier attempts of \(task.id): \(error.message)")
            return await later()
        }
    }

    /// What becomes of a task whose earlier attempts were looked for.
    private static func event(
        after own: [(GivenUpAttempt, LostAttemptSearch.Finding?)], isPersons: Bool, starting start: ScheduledEvent
    ) -> ScheduledEvent {
        for case (let attempt, .found(let id, let trace)) in own {
            return ScheduledEvent(
                .turnedUp(id, traceID: trace), for: start.task, attempt: attempt.attempt.number, nextDueAt: nil)
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

    /// Nothing is started; the task may be claimed again in a second, not at once.
    private func later() async -> Work? {
        await context.time.sleep(until: context.time.now() + .seconds(1))
        return nil
    }

    /// Takes the distance to the service's other submissions, once it may; false where the daemon stops or the endpoint is
    /// held back first.
    private func takeSlot(of profile: EndpointProfile) async -> Bool {
        while let slot = admission.takePace(of: profile) {
            guard !Task.isCancelled else { return false }
            await context.time.sleep(until: slot)
        }
        return !context.feed.isClosing && admission.block(on: profile, at: context.time.now()) == nil
    }
}
