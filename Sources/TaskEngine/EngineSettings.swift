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
    /// Which files of results are fetched.
    package var artefacts: ArtefactSettings
    /// A digest of each account's token. Another digest may mean another user of the provider.
    package var tokenDigests: [ProviderAccount: String]
    /// Who is notified of what happens to tasks.
    package var destinations: [Destination]
    /// The time between two comparisons of the providers' lists with the tasks; nil if there are none.
    package var reconcileInterval: Duration?
    /// What may be spent, sorted by name.
    package var budgets: [Budget] = []

    package init(
        catalog: ProviderCatalog, limits: EngineLimits = EngineLimits(), polling: PollingPolicy = PollingPolicy(),
        defaultOnUncertain: UncertainPolicy = .hold, callbackSecrets: [ProviderName: String] = [:],
        redactor: SecretRedactor = SecretRedactor(), retention: RetentionPolicy = RetentionPolicy(),
        artefacts: ArtefactSettings = ArtefactSettings(),
        tokenDigests: [ProviderAccount: String] = [:],
        destinations: [Destination] = [], reconcileInterval: Duration? = nil
    ) {
        self.catalog = catalog
        self.limits = limits
        self.polling = polling
        self.defaultOnUncertain = defaultOnUncertain
        self.callbackSecrets = callbackSecrets
        self.redactor = redactor
        self.retention = retention
        self.tokenDigests = tokenDigests
        self.artefacts = artefacts
        self.destinations = destinations
        self.reconcileInterval = reconcileInterval
    }

    /// The same settings after those of the history. A lost attempt may have been sent under a longer timeout, to another base
    /// URL, or with another token.
    package func following(_ history: SettingsHistory, at now: Timestamp) -> EngineSettings {
        var settings = self
        settings.limits.history = history
        settings.limits.history.take(
            baseURLs: Dictionary(uniqueKeysWithValues: catalog.providers.map { ($0.name, $0.baseURL) }),
            tokenDigests: tokenDigests,
            timeouts: Dictionary(uniqueKeysWithValues: catalog.endpoints.map { ($0.name, limits.timeout(of: $0)) }),
            at: now)
        return settings
    }

    /// The same settings after those of the store's history, to which they are added. Call it before they are in force.
    package func stored(in store: TaskStore, at now: Timestamp) async throws(TaskStoreError) -> EngineSettings {
        let settings = following(try await store.settingsHistory(), at: now)
        try await store.put(settings.limits.history)
        try await store.keepBudgets(settings.budgets, at: now)
        return settings
    }
}
