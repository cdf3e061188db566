import FoundationEssentials
import ProviderCatalog
import TaskModel
import Text
import UpstreamHTTP

/// The providers of this daemon: bundled and user definitions, with their base URLs and tokens.
struct Providers: Sendable {
    /// As written, without the base URLs of the settings.
    let definitions: Definitions
    let catalog: ProviderCatalog
    /// By provider name. Never logged, stored or shown.
    let tokens: [ProviderName: String]
    /// The secrets that sign callbacks, by provider name. Protected like tokens.
    let callbackSecrets: [ProviderName: String]

    /// Redacts these secrets, and tokens made with them, from provider replies.
    var redactor: SecretRedactor
    /// The settings of each provider for the transport.
    let access: [ProviderName: UpstreamHTTP.Access]
    /// The tokens that requests contain unchanged, by provider name.
    let shownTokens: [ProviderName: String]

    /// Takes the definitions, and reads each provider's base URL and token.
    ///
    /// `others` are secrets that belong to no provider.
    init(
        _ settings: inout DaemonSettings, _ definitions: Definitions, environment: [String: String],
        secrets others: [String] = []
    ) throws(DaemonError) {
        let environment = environment.withoutBlanks
        self.definitions = definitions
        let shipped = definitions.catalog
        try Self.check(settings, shipped, environment)
        var baseURLs: [ProviderName: String] = [:]
        var tokens: [ProviderName: String] = [:]
        for provider in shipped.providers {
            if let url = try Self.baseURL(of: provider, settings, environment) { baseURLs[provider.name] = url }
            let own = settings.providers[provider.name.text]
            let source = TokenSource(
                variable: provider.tokenVariable, environment: environment,
                file: environment[provider.tokenVariable + "_FILE"] ?? own?.tokenFile)
            let isFirst = provider.tokenVariable == "XHUOAPI_TOKEN"
            tokens[provider.name] = isFirst && settings.token != nil ? settings.token : try source.read(&settings)
        }
        for provider in shipped.providers {
            guard case .signedToken = provider.authentication, let keys = tokens[provider.name],
                keys.split(separator: ":", maxSplits: 1).count < 2
            else { continue }
            throw .badSetting(
                "\(provider.tokenVariable) must hold an access key, a colon and a secret key: \(provider.name) takes tokens "
                    + "that are signed with them.")
        }
        var secrets: [ProviderName: String] = [:]
        for provider in shipped.providers {
            guard let signature = provider.callbackSignature else { continue }
            let source = TokenSource(
                variable: signature.secretVariable, environment: environment,
                file: environment[signature.secretVariable + "_FILE"])
            guard let secret = try source.read(&settings) else { continue }
            guard signature.key(of: secret) != nil else {
                throw .badSetting(
                    "\(signature.secretVariable) is not written as \(signature.secretForm), as \(provider.name) writes it."
                )
            }
            secrets[provider.name] = secret
        }
        callbackSecrets = secrets
        redactor = Self.redactor(shipped, tokens: tokens, callbackSecrets: secrets, warning: &settings.warnings)
            .adding(others)
        self.tokens = tokens
        let catalog = shipped.moved(to: baseURLs)
        self.catalog = catalog
        access = Self.access(of: catalog, tokens: tokens)
        shownTokens = tokens.filter { name, _ in
            if case .signedToken = catalog.provider(name)?.authentication { false } else { true }
        }
        for (name, url) in baseURLs.sorted(by: { $0.key < $1.key }) where name.text != "xhuoapi" {
            guard tokens[name] != nil, let address = HTTPAddress(url), address.isExposed else { continue }
            settings.warnings.append("The token of \(name) goes to \(url) without encryption. Use https.")
        }
    }

    /// Warns about secrets that are too short to be redacted without hiding ordinary words.
    private static func redactor(
        _ catalog: ProviderCatalog, tokens: [ProviderName: String], callbackSecrets: [ProviderName: String],
        warning warnings: inout [String]
    ) -> SecretRedactor {
        var secrets: [String] = []
        var beginnings: [String] = []
        for provider in catalog.providers {
            var own: [(variable: String, secret: String)] = []
            if let token = tokens[provider.name] {
                own.append((provider.tokenVariable, token))
                if case .signedToken = provider.authentication {
                    // Each key of the pair is a secret. The token in requests equals neither.
                    secrets += token.split(separator: ":", maxSplits: 1).map(String.init)
                    beginnings += SignedToken.beginning(of: token).map { [$0] } ?? []
                }
            }
            if let signature = provider.callbackSignature, let secret = callbackSecrets[provider.name] {
                own.append((signature.secretVariable, secret))
            }
            for (variable, secret) in own where secret.utf8.count < SecretRedactor.shortest {
                warnings.append(
                    "\(variable) has fewer than \(SecretRedactor.shortest) characters. Where \(provider.name) repeats it, it cannot be told from other words, and would be stored and shown."
                )
            }
            secrets += own.map(\.secret)
        }
        return SecretRedactor(secrets, tokensBeginningWith: beginnings)
    }

    /// The environment variables that hold secrets, or name a file that does.
    var secretVariables: Set<String> {
        let own = catalog.providers.flatMap { [$0.tokenVariable, $0.callbackSignature?.secretVariable] }
        return Set(own.compactMap(\.self).flatMap { [$0, $0 + "_FILE"] })
    }

    /// Whether the provider's credentials are set, or it needs none.
    func hasCredentials(for provider: ProviderName) -> Bool {
        tokens[provider] != nil || catalog.provider(provider)?.authentication == Authentication.none
    }

    /// Every secret, and each part of a pair of keys.
    var secrets: Set<String> {
        let whole = Array(tokens.values) + Array(callbackSecrets.values)
        let pairs = tokens.filter { shownTokens[$0.key] == nil }.values
        return Set(whole + pairs.flatMap { $0.split(separator: ":", maxSplits: 1).map(String.init) })
    }

    private static func access(
        of catalog: ProviderCatalog, tokens: [ProviderName: String]
    ) -> [ProviderName: UpstreamHTTP.Access] {
        Dictionary(
            uniqueKeysWithValues: catalog.providers.map { provider in
                (
                    provider.name,
                    UpstreamHTTP.Access(
                        baseURL: provider.baseURL, token: tokens[provider.name],
                        authentication: provider.authentication,
                        headers: provider.headers)
                )
            })
    }

    /// The connection timeout. It is shorter than every paid request's timeout: an unreachable provider must be
    /// reported as such, not as a lost reply. Ten seconds are usual for HTTP clients.
    func connectTimeout(besides submissionTimeout: Duration) -> Duration {
        let shortest = catalog.endpoints.compactMap(\.submissionTimeout).min() ?? submissionTimeout
        return min(.seconds(10), min(shortest, submissionTimeout) / 2)
    }

    private static func baseURL(
        of provider: ProviderProfile, _ settings: DaemonSettings, _ environment: [String: String]
    ) throws(DaemonError) -> String? {
        if provider.name.text == "xhuoapi", let url = settings.baseURL { return url }
        let variable = variable(of: provider)
        guard let text = environment[variable] else { return settings.providers[provider.name.text]?.baseURL }
        guard let address = HTTPAddress(text) else {
            throw Setting.refusal(
                of: text, for: "the base URL of \(provider.name)", from: "The environment variable \(variable)",
                rule: "a URL")
        }
        return address.text
    }

    private static func variable(of provider: ProviderProfile) -> String {
        "POLLUX_PROVIDERS_\(provider.name.text.uppercased().replacing("-", with: "_"))_BASE_URL"
    }

    /// Rejects settings of unknown providers.
    private static func check(
        _ settings: DaemonSettings, _ catalog: ProviderCatalog, _ environment: [String: String]
    ) throws(DaemonError) {
        let names = catalog.providers.map(\.name.text)
        for (name, own) in settings.providers.sorted(by: { $0.key < $1.key }) where !names.contains(name) {
            let nearest = NearestName.of(name, among: names).map { " Did you mean \"\($0)\"?" } ?? ""
            throw .badSetting("\(own.place): there is no provider \"\(name)\".\(nearest)")
        }
        let known = catalog.providers.map(variable)
        for name in environment.keys.sorted() where name.hasPrefix("POLLUX_PROVIDERS_") && !known.contains(name) {
            let nearest = NearestName.of(name, among: known).map { " Did you mean \($0)?" } ?? ""
            throw .badSetting("The environment variable \(name) is about no provider.\(nearest)")
        }
    }
}
