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
        guard hasToken(profile.provider) else {
            let variable = catalog.provider(profile.provider)?.tokenVariable ?? "its token"
            return .untilChanged(
                TaskFailure(
                    code: "no_token", message: "There is no token for \(profile.provider).",
                    hint: "Set \(variable) or \(variable)_FILE and start the daemon again."))
        }
        let gates: [(Gates.Passage, String)] = [
            (self.gates.passage(.provider, profile.provider, at: now), "provider \(profile.provider)"),
            (self.gates.passage(.submissions, profile.name.text, at: now), "endpoint \(profile.name)"),
        ]
        for (passage, what) in gates {
            switch passage {
            case .open:
                continue
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
                        message:
                            "The \(what) is left alone until \(until.rfc3339)\(error.map { ": \($0.message)" } ?? ".")")
                )
            }
        }
        return nil
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
}
