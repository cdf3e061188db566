import Logging
package import ProviderCatalog
package import TaskModel
import TaskStore

/// Why a queued task does not go now.
package enum Hold: Sendable, Hashable {
    /// Time will tell.
    case until(Timestamp, TaskFailure)
    /// A person or a finished task will.
    case untilChanged(TaskFailure)
}

extension EngineContext {
    /// What keeps submissions of an endpoint back for reasons that concern all its tasks; nil if nothing does.
    func hold(on profile: EndpointProfile, at now: Timestamp) -> Hold? {
        if let reason = storageHold { return .until(now + .seconds(5), reason) }
        guard hasToken(profile.provider) else {
            return .untilChanged(
                missingTokens[profile.provider] ?? .missingToken(of: profile.provider, variable: "its token"))
        }
        return hold(by: .provider, profile.provider, on: profile, at: now)
            ?? hold(by: .submissions, profile.name.text, on: profile, at: now)
    }

    private func hold(
        by kind: StoredGate.Kind, _ name: String, on profile: EndpointProfile, at now: Timestamp
    ) -> Hold? {
        let passage = gates.passage(kind, name, at: now)
        // Nearly always; asked with every submission.
        if passage == .open { return nil }
        let what = kind == .provider ? "provider \(name)" : "endpoint \(name)"
        switch passage {
        case .open:
            return nil
        case .paused(let pause):
            return .untilChanged(
                TaskFailure(
                    code: pause.code, message: "The \(what) is paused: \(pause.message)",
                    hint: "`pollux resume \(profile.name)` lets it go on."))
        case .closed(let until, let error):
            return .until(
                until,
                TaskFailure(
                    code: "backing_off",
                    message: "The \(what) is left alone until \(until.rfc3339)\(error.map { ": \($0.message)" } ?? ".")"
                ))
        }
    }

    /// How long a paid request of the endpoint may take.
    func timeout(of profile: EndpointProfile) -> Duration { profile.submissionTimeout ?? limits.submissionTimeout }

    /// Whether the provider can be asked about a task: its endpoint is known, and there are credentials.
    func canAsk(about task: TrackedTask) -> Bool {
        catalog.endpoint(task.endpoint).map { hasToken($0.provider) } ?? false
    }

    /// How many tasks of the endpoint's service may be in flight; nil for no bound.
    package func maxInFlight(of profile: EndpointProfile) -> Int? { limits.maxInFlight ?? profile.limits.maxInFlight }

    /// How many requests of all kinds a provider is sent per second; nil for no bound.
    func callsPerSecond(of provider: String) -> Double? {
        limits.pollsPerSecond ?? catalog.provider(provider)?.maxRequestsPerSecond
    }

    /// Lets nothing more be paid for at a provider that refuses the whole account, and says so loudly.
    func stopProvider(_ provider: String, because failure: TaskFailure) async {
        let isNew = gates.gate(.provider, provider).pause == nil
        do throws(TaskStoreError) {
            try await gates.pause(
                .provider, provider, StoredGate.Pause(code: failure.code, message: failure.message), at: time.now())
        } catch {
            logger.error("The pause of \(provider) holds, but could not be stored: \(error.message)")
        }
        if isNew {
            logger.critical(
                """
                Submissions to \(provider) are paused: \(failure.code): \(failure.message) \
                Queued tasks are safe. Mend it, then `pollux resume` any of its endpoints.
                """)
        }
    }

    /// Lets nothing more be paid for at an endpoint whose address leads elsewhere, and says so loudly.
    func stopEndpoint(_ endpoint: EndpointName, because failure: TaskFailure) async {
        let isNew = gates.gate(.submissions, endpoint.text).pause == nil
        do throws(TaskStoreError) {
            try await gates.pause(
                .submissions, endpoint.text, StoredGate.Pause(code: failure.code, message: failure.message),
                at: time.now())
        } catch {
            logger.error("The pause of \(endpoint) holds, but could not be stored: \(error.message)")
        }
        if isNew {
            logger.critical(
                """
                Submissions to \(endpoint) are paused: \(failure.code): \(failure.message) \(failure.hint ?? "") \
                Queued tasks are safe. Mend it, then `pollux resume \(endpoint)`.
                """)
        }
    }
}

extension TaskFailure {
    /// What a task of a provider without credentials waits for.
    static func missingToken(of provider: String, variable: String) -> TaskFailure {
        TaskFailure(
            code: "no_token", message: "There is no token for \(provider).",
            hint: "Set \(variable) or \(variable)_FILE and start the daemon again.")
    }
}
