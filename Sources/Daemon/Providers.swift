import FoundationEssentials
import ProviderCatalog
import TaskEngine
import TaskModel
import Text
import UpstreamHTTP

/// The providers of this daemon: bundled and user definitions, with their base URLs and tokens.
struct Providers: Sendable {
    /// As written, without the base URLs of the settings.
    let definitions: Definitions
    let catalog: ProviderCatalog
    /// Never logged, stored or shown.
    let tokens: [ProviderAccount: String]
    /// The accounts of each known provider; see ``accounts(of:)``.
    let accounts: [ProviderName: [Account]]
    /// The secrets that sign callbacks, by provider name. Protected like tokens.
    let callbackSecrets: [ProviderName: String]

    /// Redacts these secrets, and tokens made with them, from provider replies.
    var redactor: SecretRedactor
    /// The settings of each account for the transport.
    let access: [ProviderAccount: UpstreamHTTP.Access]
    /// The tokens that requests contain unchanged.
    let shownTokens: [ProviderAccount: String]

    /// Takes the definitions, and reads each provider's base URL and token.
    ///
    /// `others` are secrets that belong to no provider. `former` has the tokens that stay in use if they cannot be read
    /// again.
    init(
        _ settings: inout DaemonSettings, _ definitions: Definitions, environment: [String: String],
        secrets others: [String] = [], keeping former: Providers? = nil
    ) throws(DaemonError) {
        let environment = environment.withoutBlanks
        self.definitions = definitions
        let shipped = definitions.catalog
        try Self.check(settings, shipped, environment)
        var baseURLs: [ProviderName: String] = [:]
        var tokens: [ProviderAccount: String] = [:]
        var named: [ProviderName: [AccountSettings]] = [:]
        for provider in shipped.providers {
            if let url = try Self.baseURL(of: provider, settings, environment) { baseURLs[provider.name] = url }
            let own = settings.providers[provider.name.text]
            let source = TokenSource(
                variable: provider.tokenVariable, environment: environment,
                file: environment[provider.tokenVariable + "_FILE"] ?? own?.tokenFile,
                former: former?.tokens[ProviderAccount(provider: provider.name)])
            if let own, !own.accounts.isEmpty {
                named[provider.name] = own.accounts
                try Self.read(
                    own, of: provider, into: &tokens, environment: environment, &settings, keeping: former)
                continue
            }
            let isFirst = provider.tokenVariable == "XHUOAPI_TOKEN"
            tokens[ProviderAccount(provider: provider.name)] =
                isFirst && settings.token != nil ? settings.token : try source.read(&settings)
        }
        for provider in shipped.providers {
            guard case .signedToken = provider.authentication else { continue }
            for (owner, keys) in tokens.sorted(by: { $0.key < $1.key })
            where owner.provider == provider.name && keys.split(separator: ":", maxSplits: 1).count < 2 {
                let place = named[provider.name] == nil ? provider.tokenVariable : "The token of \(owner)"
                let problem = DaemonError.badSetting(
                    "\(place) must hold an access key, a colon and a secret key: \(provider.name) takes tokens "
                        + "that are signed with them.")
                guard let kept = former?.tokens[owner] else { throw problem }
                settings.tokenProblems.append(problem.message)
                tokens[owner] = kept
            }
        }
        var secrets: [ProviderName: String] = [:]
        for provider in shipped.providers {
            guard let signature = provider.callbackSignature else { continue }
            let source = TokenSource(
                variable: signature.secretVariable, environment: environment,
                file: environment[signature.secretVariable + "_FILE"],
                former: former?.callbackSecrets[provider.name])
            guard let secret = try source.read(&settings) else { continue }
            secrets[provider.name] = secret
            guard signature.key(of: secret) == nil else { continue }
            let problem = DaemonError.badSetting(
                "\(signature.secretVariable) is not written as \(signature.secretForm), as \(provider.name) writes it.")
            guard let kept = source.former else { throw problem }
            settings.tokenProblems.append(problem.message)
            secrets[provider.name] = kept
        }
        callbackSecrets = secrets
        redactor = Self.redactor(shipped, tokens: tokens, callbackSecrets: secrets, warning: &settings.warnings)
            .adding(others)
        self.tokens = tokens
        let catalog = shipped.moved(to: baseURLs)
        self.catalog = catalog
        let accounts = Self.accounts(of: catalog, named: named, tokens: tokens)
        self.accounts = accounts
        access = Self.access(of: catalog, accounts: accounts, tokens: tokens)
        shownTokens = tokens.filter { owner, _ in
            if case .signedToken = catalog.provider(owner.provider)?.authentication { false } else { true }
        }
        for (name, url) in baseURLs.sorted(by: { $0.key < $1.key }) where name.text != "xhuoapi" || named[name] != nil {
            guard tokens.keys.contains(where: { $0.provider == name }), let address = HTTPAddress(url),
                address.isExposed
            else { continue }
            settings.warnings.append("The token of \(name) goes to \(url) without encryption. Use https.")
        }
    }

    /// Reads the token of each account in the settings.
    private static func read(
        _ own: ProviderSettings, of provider: ProviderProfile, into tokens: inout [ProviderAccount: String],
        environment: [String: String], _ settings: inout DaemonSettings, keeping former: Providers?
    ) throws(DaemonError) {
        let setting = "\(own.place): providers.\(provider.name).accounts"
        for variable in [provider.tokenVariable, provider.tokenVariable + "_FILE"] where environment[variable] != nil {
            throw .badSetting(
                "\(setting) is set, and so is the environment variable \(variable). Each account has its own token_file, so unset the variable."
            )
        }
        for account in own.accounts {
            let owner = ProviderAccount(provider: provider.name, account: account.name)
            let source = TokenSource(
                variable: "", environment: [:], file: account.tokenFile, former: former?.tokens[owner])
            let token: String?
            do throws(DaemonError) { token = try source.read(&settings) } catch {
                throw .badSetting("\(setting), account \(account.name): \(error.message)")
            }
            if let twin = own.accounts.first(where: { other in
                token != nil && tokens[ProviderAccount(provider: provider.name, account: other.name)] == token
            }) {
                settings.warnings.append(
                    "\(setting): the accounts \(twin.name) and \(account.name) have the same token, so the provider counts them as one."
                )
            }
            tokens[owner] = token
        }
    }

    /// Warns about secrets that are too short to be redacted without hiding ordinary words.
    private static func redactor(
        _ catalog: ProviderCatalog, tokens: [ProviderAccount: String], callbackSecrets: [ProviderName: String],
        warning warnings: inout [String]
    ) -> SecretRedactor {
        var secrets: [String] = []
        var beginnings: [String] = []
        for provider in catalog.providers {
            var own: [(variable: String, secret: String)] = []
            for (owner, token) in tokens.sorted(by: { $0.key < $1.key }) where owner.provider == provider.name {
                own.append((owner.account == .default ? provider.tokenVariable : "The token of \(owner)", token))
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
                    "\(variable) has fewer than \(SecretRedactor.shortest) characters. If \(provider.name) repeats it, it cannot be distinguished from other words, and is stored and shown."
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

    /// Whether the provider has credentials or needs none.
    func hasCredentials(for provider: ProviderName) -> Bool {
        tokens.keys.contains { $0.provider == provider }
            || catalog.provider(provider)?.authentication == Authentication.none
    }

    /// The accounts of a provider, in the order of the settings: `default` alone if they name none.
    func accounts(of provider: ProviderName) -> [Account] { Self.accounts(of: provider, in: accounts) }

    static func accounts(of provider: ProviderName, in all: [ProviderName: [Account]]) -> [Account] {
        all[provider] ?? [Account(hasToken: false)]
    }

    /// All secrets, and each part of a key pair.
    var secrets: Set<String> {
        let whole = Array(tokens.values) + Array(callbackSecrets.values)
        let pairs = tokens.filter { shownTokens[$0.key] == nil }.values
        return Set(whole + pairs.flatMap { $0.split(separator: ":", maxSplits: 1).map(String.init) })
    }

    private static func accounts(
        of catalog: ProviderCatalog, named: [ProviderName: [AccountSettings]], tokens: [ProviderAccount: String]
    ) -> [ProviderName: [Account]] {
        Dictionary(
            uniqueKeysWithValues: catalog.providers.map { provider in
                let hasToken = tokens[ProviderAccount(provider: provider.name)] != nil
                return (
                    provider.name,
                    named[provider.name]?.map { Account($0.name, maxInFlight: $0.maxInFlight) }
                        ?? [Account(hasToken: hasToken || provider.authentication == .none)]
                )
            })
    }

    private static func access(
        of catalog: ProviderCatalog, accounts: [ProviderName: [Account]], tokens: [ProviderAccount: String]
    ) -> [ProviderAccount: UpstreamHTTP.Access] {
        var access: [ProviderAccount: UpstreamHTTP.Access] = [:]
        for provider in catalog.providers {
            for account in accounts[provider.name] ?? [] {
                let owner = ProviderAccount(provider: provider.name, account: account.name)
                access[owner] = UpstreamHTTP.Access(
                    baseURL: provider.baseURL, token: tokens[owner], authentication: provider.authentication,
                    headers: provider.headers)
            }
        }
        return access
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
            throw .badSetting("The environment variable \(name) belongs to no provider.\(nearest)")
        }
    }
}
