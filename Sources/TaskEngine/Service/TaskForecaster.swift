import PollingPolicy
import ProviderCatalog
package import TaskModel

/// When a task is expected to end, and why it waits.
package struct TaskForecast: Sendable, Hashable {
    /// When it has probably ended: half of the tasks of its kind and age end by `p50`, nine of ten by `p90`.
    package let eta: (p50: Timestamp, p90: Timestamp)?
    /// Why it does not proceed now; nil if it does.
    package let waitingFor: Reason?

    /// No forecast.
    package static let none = TaskForecast(eta: nil, waitingFor: nil)

    package static func == (left: TaskForecast, right: TaskForecast) -> Bool {
        left.eta?.p50 == right.eta?.p50 && left.eta?.p90 == right.eta?.p90 && left.waitingFor == right.waitingFor
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(eta?.p50)
        hasher.combine(eta?.p90)
        hasher.combine(waitingFor)
    }
}

/// What a forecast needs from the store.
package final class ForecastFacts: Sendable {
    let queue: AdmissionControl.QueueFacts
    /// The statistics of a running task's endpoint.
    let statistics: EndpointStatistics?

    init(queue: AdmissionControl.QueueFacts = AdmissionControl.QueueFacts(), statistics: EndpointStatistics? = nil) {
        self.queue = queue
        self.statistics = statistics
    }
}

/// Estimates when tasks end, and why they wait.
struct TaskForecaster: Sendable {
    @Current var catalog: ProviderCatalog
    let statistics: StatisticsCache
    let admission: AdmissionControl
    let inFlightPolls: InFlightPolls
    let unrecognised: UnrecognisedResponses
    let time: any TimeSource

    /// Reads what the forecast for a task needs. What follows is synchronous, since an asynchronous call keeps its memory in
    /// its task, for as long as the task lasts.
    func facts(about task: TrackedTask) async -> ForecastFacts {
        switch task.state {
        case .queued: ForecastFacts(queue: await admission.facts(about: task, at: time.now()))
        case .running: ForecastFacts(statistics: await statistics.statistics(of: task.endpoint))
        case .submitting, .uncertain, .succeeded, .failed, .cancelled, .expired: ForecastFacts()
        }
    }

    /// The forecast for a task.
    func forecast(of task: TrackedTask, knowing facts: ForecastFacts) -> TaskForecast {
        TaskForecast(eta: eta(of: task, facts.statistics), waitingFor: blockedReason(of: task, facts.queue))
    }

    /// The median and the ninth decile of the tasks of its kind that are still running at its age.
    private func eta(
        of task: TrackedTask, _ statistics: EndpointStatistics?
    ) -> (p50: Timestamp, p90: Timestamp)? {
        // There is no forecast for a task that the provider does not know.
        guard task.state == .running, task.notFoundCount < 2, let statistics else { return nil }
        let profile = catalog.endpoint(task.endpoint)
        let model = statistics.entry(for: task.model).model
        guard model.sampleCount > 0 || profile?.typicalDuration != nil || profile?.upperDuration != nil else {
            return nil
        }
        let now = time.now()
        let age = statistics.age(of: task, at: now)
        return (
            now + (model.quantile(0.5, beyond: age) - age), now + (model.quantile(0.9, beyond: age) - age)
        )
    }

    private func blockedReason(of task: TrackedTask, _ facts: AdmissionControl.QueueFacts) -> Reason? {
        let now = time.now()
        switch task.state {
        case .queued: return admission.block(of: task, at: now, knowing: facts).reason(of: task.endpoint)
        case .uncertain: return undecidedReason(of: task)
        case .running:
            guard let profile = catalog.endpoint(task.endpoint) else {
                return SubmissionBlock.endpointGone(task.endpoint).reason(of: task.endpoint)
            }
            return unpolledReason(of: task, profile: profile, at: now)
        case .submitting, .succeeded, .failed, .cancelled, .expired: return nil
        }
    }

    /// What an uncertain task waits for.
    private func undecidedReason(of task: TrackedTask) -> Reason {
        if catalog.endpoint(task.endpoint)?.needsPersonWhenUncertain ?? false {
            return Reason(
                code: "person",
                message: "The provider has no list of its tasks, so only a person can find out what happened to it.",
                hint: "Use `pollux resolve` once you know. It is never resent automatically.")
        }
        let possible = task.attempt?.possibleIDs ?? []
        guard possible.isEmpty else {
            let ids = possible.map(\.text).joined(separator: ", ")
            return Reason(
                code: "person",
                message: "The provider's list shows tasks that may be this one: \(ids).",
                hint: """
                    Compare them with its request. `pollux resolve \(task.id) --adopt REMOTE_ID` adopts one; `--resubmit` sends the \
                    request again, and is paid again.
                    """)
        }
        if let profile = catalog.endpoint(task.endpoint), let reason = missingAccountReason(of: task, profile) {
            return reason
        }
        let next = task.nextDueAt.map { " The next look-up is at \($0.rfc3339)." } ?? ""
        return Reason(
            code: "lookup", message: "It is being looked up in the provider's own list of tasks.\(next)",
            hint: "Use `pollux resolve` once you know what happened to it.")
    }

    /// Why the task cannot be polled; nil if its account can poll it.
    private func missingAccountReason(of task: TrackedTask, _ profile: EndpointProfile) -> Reason? {
        guard task.account != .unknown else { return nil }
        guard let account = admission.accounts.account(profile.owner(of: task)) else {
            return Reason(
                code: "account_gone",
                message:
                    "The settings have no account \(task.account) of \(profile.provider) any more, which submitted it.",
                hint:
                    "Add it to `providers.\(profile.provider).accounts` again and run `pollux reload`; nothing is lost."
            )
        }
        return account.hasToken
            ? nil : Reason(code: "no_token", message: "Without a token it cannot be polled.")
    }

    /// Why a running task is not polled at its usual pace; nil if it is.
    private func unpolledReason(of task: TrackedTask, profile: EndpointProfile, at now: Timestamp) -> Reason? {
        if let reason = missingAccountReason(of: task, profile) { return reason }
        if case .backingOff(_, let until, let error) = admission.breakers.block(
            .polls(task.accountService), at: now)
        {
            let why = error.map { ": \($0.message)" } ?? "."
            return Reason(
                code: "backing_off", message: "Status queries are paused until \(until.rfc3339)\(why)")
        }
        if task.notFoundCount > 1 {
            return Reason(
                code: "unknown_to_provider",
                message:
                    "The provider did not know it, \(task.notFoundCount) look-ups in a row. It is polled again.",
                hint: "If its remote id \(task.remoteID?.text ?? "") is wrong, cancel it here.")
        }
        if inFlightPolls.isTooLarge(task.id) {
            return Reason(
                code: "reply_too_large",
                message: "Its record at the provider exceeds the size limit. It is polled again every hour.",
                hint: "Raise `upstream.max_reply_bytes` and run `pollux reload` to have it read.")
        }
        guard unrecognised.inARow(task.id) > 0 else { return nil }
        return Reason(
            code: "unrecognised_record",
            message: "The provider's latest record was not understood, so it is polled less and less often.",
            hint: "`pollux show \(task.id) --response` prints it. If it has ended there, cancel it here.")
    }
}
