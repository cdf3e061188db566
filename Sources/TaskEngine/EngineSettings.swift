package import PollingPolicy
package import ProviderCatalog
package import TaskModel
package import TaskStore

/// The definitions and settings that the engine works by. A reload replaces them as a whole.
package struct EngineSettings: Sendable {
    package var catalog: ProviderCatalog
    package var limits: EngineLimits
    package var polling: PollingPolicy
    /// The policy of submissions that name none.
    package var defaultOnUncertain: UncertainPolicy
    /// What providers sign callbacks with, by their names.
    package var callbackSecrets: [ProviderName: String]
    /// Takes secrets out of callback bodies.
    package var redactor: SecretRedactor
    /// How long details of ended tasks are kept.
    package var retention: RetentionPolicy
    /// Who is notified of what happens to tasks.
    package var destinations: [Destination]

    package init(
        catalog: ProviderCatalog, limits: EngineLimits = EngineLimits(), polling: PollingPolicy = PollingPolicy(),
        defaultOnUncertain: UncertainPolicy = .hold, callbackSecrets: [ProviderName: String] = [:],
        redactor: SecretRedactor = SecretRedactor(), retention: RetentionPolicy = RetentionPolicy(),
        destinations: [Destination] = []
    ) {
        self.catalog = catalog
        self.limits = limits
        self.polling = polling
        self.defaultOnUncertain = defaultOnUncertain
        self.callbackSecrets = callbackSecrets
        self.redactor = redactor
        self.retention = retention
        self.destinations = destinations
    }

    /// The same settings after a reload. A lost attempt may have been sent under the longer timeout of the former ones, or to
    /// another base URL.
    package func following(_ former: EngineSettings, at now: Timestamp) -> EngineSettings {
        var settings = self
        let shortened = former.catalog.endpoints.compactMap { profile -> Duration? in
            let before = former.limits.timeout(of: profile)
            let after = catalog.endpoint(profile.name).map { limits.timeout(of: $0) }
            return after.map { $0 < before } ?? true ? before : nil
        }
        settings.limits.formerTimeout = max(former.limits.formerTimeout, shortened.max() ?? .zero)
        settings.limits.movedAt = former.limits.movedAt
        for provider in former.catalog.providers
        where catalog.provider(provider.name)?.baseURL != provider.baseURL {
            settings.limits.movedAt[provider.name] = now
        }
        return settings
    }
}
