import Crypto
import PollingPolicy
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import Text
import UpstreamHTTP

/// The complete configuration of the daemon: settings, definitions, tokens, proxies and trust.
///
/// It is read and checked as a whole, and never changes. A reload creates another one.
struct Configuration: Sendable {
    let settings: DaemonSettings
    let providers: Providers
    private(set) var engine: EngineSettings
    let connections: UpstreamHTTP.Connections
    let loadedAt: Timestamp
    /// The lines of ``digest`` by subject.
    private let parts: [String: String]
    /// Former tokens, latest first. Replies may still repeat them.
    private let formerSecrets: [String]

    private static let mostFormerSecrets = 16

    /// Reads everything. `former` is the current configuration, if there is one.
    init(
        flags: DaemonFlags, environment: [String: String], at now: Timestamp, after former: Configuration? = nil
    ) throws(DaemonError) {
        try self.init(
            SettingsLoader.load(flags: flags, environment: environment), environment: environment, at: now,
            after: former)
    }

    private init(
        _ loaded: DaemonSettings, environment: [String: String], isForTokens: Bool = false, at now: Timestamp,
        after former: Configuration?
    ) throws(DaemonError) {
        var settings = loaded
        let kept = isForTokens ? former : nil
        let proxies: ProxySettings
        let trust: TrustSettings
        let definitions: Definitions
        if let kept {
            (proxies, trust, definitions) = (
                kept.connections.proxies, kept.connections.trust, kept.providers.definitions
            )
        } else {
            (proxies, trust) = try Self.routing(settings, environment)
            definitions = try Definitions(in: settings.providersDirectory, prices: settings.pricesFile)
        }
        let earlier = former?.formerSecrets ?? []
        try Self.check(settings.artefacts.exceptions, definitions.catalog)
        var providers = try Providers(
            &settings, definitions, environment: environment, secrets: proxies.secrets,
            keeping: kept?.providers)
        let retired = former.map { $0.providers.secrets.subtracting(providers.secrets).sorted() } ?? []
        formerSecrets = Array((retired + earlier.filter { !retired.contains($0) }).prefix(Self.mostFormerSecrets))
        providers.redactor = providers.redactor.adding(formerSecrets)
        self.providers = providers
        connections = UpstreamHTTP.Connections(
            proxies: proxies, trust: trust,
            connectTimeout: providers.connectTimeout(besides: settings.submissionTimeout))
        var engine = Self.engine(settings, providers, FaultInjection(environment: environment))
        engine.destinations = try Destinations.read(
            &settings, providers.catalog, keeping: kept?.engine.destinations)
        engine.budgets = try Budgets.read(settings.budgets, providers.catalog) { [providers] provider in
            providers.accounts(of: provider).map(\.name)
        }
        self.engine = engine
        parts = Self.parts(settings, providers, proxies, environment)
        if let kept { settings.warnings = kept.settings.warnings }
        self.settings = settings
        loadedAt = now
    }

    /// The same configuration with tokens read again from their files. Definitions and other settings stay unchanged,
    /// and so does a token that cannot be read.
    func withTokens(readAgainIn environment: [String: String]) throws(DaemonError) -> Configuration {
        var settings = settings
        settings.tokenFiles = [:]
        settings.tokenProblems = []
        settings.token = try TokenSource(
            environment: environment, file: settings.mainTokenFile, former: settings.token
        ).read(&settings)
        return try Configuration(
            settings, environment: environment, isForTokens: true, at: loadedAt, after: self)
    }

    /// The proxies, and the certificate authorities.
    private static func routing(
        _ settings: DaemonSettings, _ environment: [String: String]
    ) throws(DaemonError) -> (ProxySettings, TrustSettings) {
        let proxies: ProxySettings
        do throws(ProxySettings.InvalidProxy) {
            proxies = try ProxySettings(environment: environment, setting: settings.proxy)
        } catch {
            throw .badSetting(error.message)
        }
        func file(_ setting: String, _ path: String?) -> TrustSettings.File? {
            path.map { TrustSettings.File(setting: setting, path: $0, contents: TextFile.bytes(of: $0)) }
        }
        do throws(TrustSettings.InvalidFile) {
            let trust = try TrustSettings(
                systemFile: file("SSL_CERT_FILE", environment["SSL_CERT_FILE"]),
                addedFile: file("upstream.ca_file", settings.authoritiesFile))
            return (proxies, trust)
        } catch {
            throw .badSetting(error.message)
        }
    }

    /// A name that nothing has is a typing error, and the results would be fetched after all.
    private static func check(_ exceptions: Set<String>, _ catalog: ProviderCatalog) throws(DaemonError) {
        let names = catalog.providers.map(\.name.text) + catalog.endpoints.map(\.name.text)
        for name in exceptions.sorted() where !names.contains(name) {
            let nearest = NearestName.of(name, among: names).map { " Did you mean \"\($0)\"?" } ?? ""
            throw .badSetting(
                "artefacts.except names \"\(name)\", which is neither a provider nor an endpoint.\(nearest)")
        }
    }

    private static func engine(
        _ settings: DaemonSettings, _ providers: Providers, _ hooks: FaultInjection
    ) -> EngineSettings {
        var limits = EngineLimits()
        limits.submissionTimeout = settings.submissionTimeout
        limits.maxInFlight = settings.maxInFlight
        limits.submissionsPerSecond = settings.submissionsPerSecond
        limits.pollsPerSecond = settings.pollsPerSecond
        limits.absentSpan = hooks.absentSpan ?? limits.absentSpan
        limits.listedWithin = hooks.listedWithin ?? limits.listedWithin
        limits.steadySpan = hooks.steadySpan ?? limits.steadySpan
        return EngineSettings(
            catalog: providers.catalog, limits: limits,
            polling: PollingPolicy(minGap: settings.minGap, maxGap: settings.maxGap),
            defaultOnUncertain: settings.onUncertain, callbackSecrets: providers.callbackSecrets,
            redactor: providers.redactor, retention: settings.retention,
            artefacts: settings.artefacts,
            tokenDigests: providers.tokens.mapValues { Array(SHA256.hash(data: Array($0.utf8)).prefix(12)).base64URL },
            reconcileInterval: settings.reconcileInterval)
    }

    /// Stores what it changes for lost attempts. Do so before it is in force.
    func stored(in store: TaskStore, at now: Timestamp) async throws(TaskStoreError) -> Configuration {
        var configuration = self
        configuration.engine = try await engine.stored(in: store, at: now)
        return configuration
    }

    // MARK: What it consists of

    /// The settings as given, the base URL of each provider, and the definitions. It has no secrets.
    private static func parts(
        _ settings: DaemonSettings, _ providers: Providers, _ proxies: ProxySettings, _ environment: [String: String]
    ) -> [String: String] {
        var parts = settings.values
        // It may contain a password.
        parts["upstream.proxy"] = settings.proxy.flatMap { _ in proxies.https?.description }
        for provider in providers.catalog.providers { parts["provider \(provider.name)"] = provider.baseURL }
        for (path, yaml) in providers.definitions.own {
            parts[path] = Array(SHA256.hash(data: Array(yaml.utf8))).base64URL
        }
        return parts
    }

    /// Identifies the current settings and definitions: equal contents give equal text.
    var digest: String {
        let lines = parts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
        return SHA256.hash(data: Array(lines.joined().utf8)).prefix(8).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    /// The names of settings, definition files and tokens that differ from a former configuration.
    func changes(from former: Configuration) -> [String] {
        let names = Set(parts.keys).union(former.parts.keys).filter { parts[$0] != former.parts[$0] }.sorted()
        // The proxy's password appears in no name, and a file may have other contents under the same name.
        let isProxyNamed = names.contains("upstream.proxy") || connections.proxies == former.connections.proxies
        let areFilesNamed = names.contains("upstream.ca_file") || connections.trust == former.connections.trust
        let others = (isProxyNamed ? [] : ["upstream.proxy"]) + (areFilesNamed ? [] : ["certificate authorities"])
        let tokens = Set(providers.tokens.keys).union(former.providers.tokens.keys)
            .filter { providers.tokens[$0] != former.providers.tokens[$0] }.sorted()
        let formerSecrets = former.engine.destinations.secrets
        let secrets = engine.destinations.secrets.filter { formerSecrets[$0.key] != $0.value }.keys.sorted()
        return names + others + tokens.map { "token of \($0.account == .default ? "\($0.provider)" : "\($0)")" }
            + secrets.map { "secret of \($0)" }
    }

    /// The changed settings that only a start applies, by name.
    func restartNeeds(from former: Configuration) -> [String] {
        Setting.all.filter { setting in
            // A default may change with the directories that exist.
            guard let value = setting.valueFromStart, parts[setting.name] != former.parts[setting.name] else {
                return false
            }
            return value(settings) != value(former.settings)
        }.map(\.name)
    }

    /// Whether a token or signing secret differs from a former configuration.
    func hasOtherSecrets(than former: Configuration) -> Bool {
        providers.tokens != former.providers.tokens || providers.callbackSecrets != former.providers.callbackSecrets
            || engine.destinations.secrets != former.engine.destinations.secrets
    }

    /// Whether a token file has changed since it was read.
    var hasChangedTokenFile: Bool { settings.tokenFiles.contains { FileStamp(of: $0.key) != $0.value } }
}

extension [Destination] {
    /// The secrets of those that have some, by name.
    fileprivate var secrets: [DestinationName: [[UInt8]]] {
        Dictionary(map { ($0.name, $0.secrets) }) { first, _ in first }.filter { !$0.value.isEmpty }
    }
}
