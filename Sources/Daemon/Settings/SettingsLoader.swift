import FoundationEssentials
import Logging
import TaskModel
import TaskStore
import Text

/// Loads the settings. Flags override the environment, which overrides the file and the defaults.
package enum SettingsLoader {
    /// Loads all settings. Throws an error that names an invalid value, its source and its rule.
    package static func load(
        flags: DaemonFlags, environment: [String: String]
    ) throws(DaemonError) -> DaemonSettings {
        let environment = environment.withoutBlanks
        let places = XDGDirectories(environment: environment)
        var settings = DaemonSettings(stateDirectory: places.stateDirectory ?? "", socketPath: "")
        var tokenFile: String?
        let file = fileToRead(flags: flags, environment: environment, places: places)
        if let file {
            let file = try SettingsFile(path: file)
            for list in file.accounts {
                settings.providers[list.provider] = ProviderSettings(
                    accounts: list.accounts.map { account in
                        var account = account
                        account.tokenFile = places.absolute(account.tokenFile)
                        return account
                    }, place: list.place)
                settings.values["providers.\(list.provider).accounts"] = list.accounts.map(\.text)
                    .joined(separator: ", ")
            }
            settings.destinations = file.destinations.map { $0.secretFile(at: places.absolute) }
            for entry in settings.destinations {
                settings.values["\(SettingsFile.destinationsKey).\(entry.name)"] = entry.text
            }
            settings.budgets = file.budgets
            for entry in settings.budgets {
                settings.values["\(SettingsFile.budgetsKey).\(entry.budget.name)"] = entry.text
            }
            for entry in file.entries {
                if entry.name == SettingsFile.tokenFileKey {
                    tokenFile = entry.value
                    try refuse(entry, besides: settings.providers["xhuoapi"])
                    settings.values[entry.name] = entry.value
                } else if let (provider, key) = SettingsFile.providerKey(entry.name) {
                    var own = settings.providers[provider] ?? ProviderSettings(place: entry.place)
                    if key == "base_url" {
                        guard let address = HTTPAddress(entry.value) else {
                            throw Setting.refusal(of: entry.value, for: entry.name, from: entry.place, rule: "a URL")
                        }
                        own.baseURL = address.text
                    } else {
                        try refuse(entry, besides: own)
                        own.tokenFile = places.absolute(entry.value)
                    }
                    settings.providers[provider] = own
                    settings.values[entry.name] = entry.value
                } else if let setting = Setting.all.first(where: { $0.name == entry.name }) {
                    try set(setting, to: entry.value, from: entry.place, in: &settings)
                }
            }
        }
        for setting in Setting.all {
            guard let value = environment[setting.variable] else { continue }
            try set(setting, to: value, from: "the environment variable \(setting.variable)", in: &settings)
        }
        for (name, value, flag) in [
            ("state_directory", flags.stateDirectory, "--state-dir"), ("socket", flags.socket, "--socket"),
            ("log.level", flags.logLevel, "--log-level"),
        ] {
            guard let value, let setting = Setting.all.first(where: { $0.name == name }) else { continue }
            try set(setting, to: value, from: flag, in: &settings)
        }
        guard !settings.stateDirectory.isEmpty else {
            throw .noHome(for: "state directory", instead: "--state-dir or POLLUX_STATE_DIR")
        }
        settings.isStateBelowUnsetHome = places.lacksHome && settings.stateDirectory == places.stateDirectory
        settings.stateDirectory = places.absolute(settings.stateDirectory)
        if settings.socketPath.isEmpty {
            if let problem = places.runtimeProblem { settings.warnings.append(problem) }
            settings.socketPath = usualSocket(places, state: settings.stateDirectory) ?? ""
        }
        settings.socketPath = places.absolute(settings.socketPath)
        settings.authoritiesFile = settings.authoritiesFile.map(places.absolute)
        settings.artefactDirectory = settings.artefactDirectory.map(places.absolute)
        settings.callbacks.certificateFile = settings.callbacks.certificateFile.map(places.absolute)
        settings.callbacks.keyFile = settings.callbacks.keyFile.map(places.absolute)
        settings.gateway.socket = settings.gateway.socket.map(places.absolute)
        settings.gateway.certificateFile = settings.gateway.certificateFile.map(places.absolute)
        settings.gateway.keyFile = settings.gateway.keyFile.map(places.absolute)
        settings.dashboard.certificateFile = settings.dashboard.certificateFile.map(places.absolute)
        settings.dashboard.keyFile = settings.dashboard.keyFile.map(places.absolute)
        // They are beside the settings file, even if that file does not exist.
        let directory = (file ?? places.settingsFile).map { file in
            file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        }
        settings.providersDirectory = directory.map { $0 + "/providers" }
        settings.pricesFile = directory.map { $0 + "/prices.yaml" }
        let namedFile = environment["XHUOAPI_TOKEN_FILE"] ?? tokenFile
        settings.mainTokenFile = namedFile.map(places.absolute)
        settings.token = try TokenSource(environment: environment, file: settings.mainTokenFile).read(&settings)
        try check(&settings, environment: environment)
        return settings
    }

    /// The absolute path of the settings file. A named file must exist; the default one need not.
    static func fileToRead(
        flags: DaemonFlags, environment: [String: String], places: XDGDirectories
    ) -> String? {
        if let named = flags.settingsFile ?? environment["POLLUX_CONFIG"] { return places.absolute(named) }
        return places.settingsFile.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
    }

    /// The default path of the socket.
    static func usualSocket(_ places: XDGDirectories, state: String?) -> String? {
        places.runtimeSocket ?? state.map { $0 + "/pollux.sock" }
    }

    /// Rejects a token file besides accounts, because each account has its own.
    private static func refuse(
        _ entry: SettingsFile.Entry, besides own: ProviderSettings?
    ) throws(DaemonError) {
        guard let own, !own.accounts.isEmpty else { return }
        throw .badSetting(
            "\(entry.place): \(entry.name) cannot be set besides accounts (\(own.place)). Each account has its own token_file."
        )
    }

    private static func set(
        _ setting: Setting, to value: String, from place: String, in settings: inout DaemonSettings
    ) throws(DaemonError) {
        guard setting.apply(value, &settings) else {
            throw Setting.refusal(of: value, for: setting.name, from: place, rule: setting.rule)
        }
        settings.values[setting.name] = value
    }

    /// Rejects incomplete callback settings. They would not be noticed, because polling still works.
    private static func check(_ callbacks: CallbackSettings) throws(DaemonError) {
        switch (callbacks.listen, callbacks.publicURL) {
        case (nil, _?):
            throw .badSetting(
                "callbacks.public_url is set, but callbacks.listen is not: nothing would receive the callbacks.")
        case (_?, nil):
            throw .badSetting(
                "callbacks.listen is set, but callbacks.public_url is not: no provider would know the URL.")
        default: break
        }
        guard (callbacks.certificateFile == nil) == (callbacks.keyFile == nil) else {
            throw .badSetting("callbacks.certificate_file and callbacks.key_file must both be set. One is missing.")
        }
        guard callbacks.certificateFile == nil || callbacks.listen != nil else {
            throw .badSetting("callbacks.certificate_file is set, but callbacks.listen is not.")
        }
    }

    /// Rejects a gateway that other machines reach without encryption: a token would cross the network as it is.
    private static func check(_ gateway: GatewayListenerSettings) throws(DaemonError) {
        guard (gateway.certificateFile == nil) == (gateway.keyFile == nil) else {
            throw .badSetting("gateway.certificate_file and gateway.key_file must both be set. One is missing.")
        }
        guard let address = gateway.listen else {
            guard gateway.certificateFile == nil else {
                throw .badSetting("gateway.certificate_file is set, but gateway.listen is not.")
            }
            return
        }
        guard gateway.certificateFile != nil || address.isLoopback else {
            throw .badSetting(
                "gateway.listen is \(address), which other machines reach, so programs would send their tokens without encryption. Set gateway.certificate_file and gateway.key_file, or listen on 127.0.0.1."
            )
        }
    }

    /// Rejects a dashboard that other machines reach without encryption, and settings that would have no effect.
    private static func check(_ dashboard: DashboardSettings) throws(DaemonError) {
        guard (dashboard.certificateFile == nil) == (dashboard.keyFile == nil) else {
            throw .badSetting("dashboard.certificate_file and dashboard.key_file must both be set. One is missing.")
        }
        guard let address = dashboard.listen else {
            let names = ["certificate_file": dashboard.certificateFile, "public_url": dashboard.publicURL]
            guard let name = names.filter({ $0.value != nil }).keys.sorted().first else { return }
            throw .badSetting("dashboard.\(name) is set, but dashboard.listen is not.")
        }
        if let url = dashboard.publicURL, HTTPAddress(url)?.isExposed ?? true {
            throw .badSetting(
                "dashboard.public_url is \(url), so sessions would cross the network without encryption. It must begin with https://."
            )
        }
        guard address.isLoopback || dashboard.certificateFile != nil || dashboard.publicURL != nil else {
            throw .badSetting(
                "dashboard.listen is \(address), which other machines reach, so sessions would cross the network without encryption. Set dashboard.certificate_file and dashboard.key_file, or dashboard.public_url if a proxy does the encryption, or listen on 127.0.0.1 and use an SSH tunnel (docs/dashboard.md)."
            )
        }
    }

    /// Rejects a retention that removes a key before its task. A repeated request would then be paid for again while
    /// its task still exists.
    private static func check(_ retention: RetentionPolicy) throws(DaemonError) {
        let details: [(name: String, span: Duration?)] = [("ended", retention.ended), ("failed", retention.failed)]
        try check(retention.idempotencyKeys, of: "idempotency_keys", against: details)
        let keys = retention.idempotencyKeys == nil ? "idempotency_keys, a year unless set" : "idempotency_keys"
        try check(retention.stubs, of: "stubs", against: details + [(keys, retention.keySpan)])
        guard let stubs = retention.stubs, stubs < .seconds(86_400) else { return }
        throw .badSetting(
            "retention.stubs (\(Int(stubs.inSeconds)) s) must be at least a day: lost attempts are looked up for that long."
        )
    }

    private static func check(
        _ span: Duration?, of name: String, against others: [(name: String, span: Duration?)]
    ) throws(DaemonError) {
        for other in others {
            guard let span, let least = other.span, span < least else { continue }
            throw .badSetting(
                "retention.\(name) (\(Int(span.inSeconds)) s) must not be below retention.\(other.name) (\(Int(least.inSeconds)) s)."
            )
        }
    }

    private static func check(
        _ settings: inout DaemonSettings, environment: [String: String]
    ) throws(DaemonError) {
        guard settings.minGap <= settings.maxGap else {
            throw .badSetting(
                "polling.min_gap_seconds (\(settings.minGap.inSeconds)) must not be above polling.max_gap_seconds (\(settings.maxGap.inSeconds))."
            )
        }
        try check(settings.callbacks)
        try check(settings.gateway)
        try check(settings.dashboard)
        if let path = settings.gateway.socket, path.withoutDetours == settings.socketPath.withoutDetours {
            throw .badSetting("gateway.socket is the daemon's own socket, \(path). Give the gateway another path.")
        }
        try check(settings.retention)
        // sockaddr_un holds 108 bytes, the last of them zero.
        guard settings.socketPath.utf8.count <= 107 else {
            throw .badSetting(
                "The socket's path has \(settings.socketPath.utf8.count) bytes, but the system allows 107: \(settings.socketPath). Choose a shorter one with --socket or POLLUX_SOCKET."
            )
        }
        if let url = settings.baseURL, settings.token != nil, HTTPAddress(url)?.isExposed ?? false {
            settings.warnings.append("The token goes to \(url) without encryption. Use https.")
        }
        let known = Setting.all.map(\.variable) + ["POLLUX_CONFIG"]
        for name in environment.keys.sorted()
        where name.hasPrefix("POLLUX_") && !name.hasPrefix("POLLUX_PROVIDERS_") && !known.contains(name)
            && !name.hasPrefix("POLLUX_TEST_")
        {
            let nearest = NearestName.of(name, among: known).map { " Did you mean \($0)?" } ?? ""
            settings.warnings.append("The environment variable \(name) is unknown to Pollux.\(nearest)")
        }
    }
}
