package import PollingPolicy
package import ProviderCatalog
package import TaskModel
package import TaskStore

/// The definitions and settings of the engine. A reload replaces them as a whole.
package struct EngineSettings: Sendable {
    package var catalog: ProviderCatalog
    package var limits: EngineLimits
    package var polling: PollingPolicy
    /// The policy of submissions that set none.
    package var defaultOnUncertain: UncertainPolicy
    /// The secrets of callback signatures by provider.
    package var callbackSecrets: [ProviderName: String]
    /// Removes secrets from callback bodies.
    package var redactor: SecretRedactor
    /// How long details of ended tasks are kept.
    package var retention: RetentionPolicy

    package init(
        catalog: ProviderCatalog, limits: EngineLimits = EngineLimits(), polling: PollingPolicy = PollingPolicy(),
        defaultOnUncertain: UncertainPolicy = .hold, callbackSecrets: [ProviderName: String] = [:],
        redactor: SecretRedactor = SecretRedactor(), retention: RetentionPolicy = RetentionPolicy()
    ) {
        self.catalog = catalog
        self.limits = limits
        self.polling = polling
        self.defaultOnUncertain = defaultOnUncertain
        self.callbackSecrets = callbackSecrets
        self.redactor = redactor
        self.retention = retention
    }

    /// These settings as the successor of the former ones. A lost attempt may have been sent under a longer earlier
    /// timeout, or to an earlier base URL.
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
