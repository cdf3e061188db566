import LocalAPI
import Logging
import ProviderCatalog
import ServiceLifecycle
import Synchronization
import TaskEngine
import TaskModel
import UnixSignals
import UpstreamHTTP

/// Reloader replaces the configuration of the running daemon, as a whole or not at all.
actor Reloader {
    private let configuration: Reloadable<Configuration>
    private let flags: DaemonFlags
    private let environment: [String: String]
    private let engine: TaskEngine
    private let transport: UpstreamHTTP
    private let time: any TimeSource
    private let logger: Logger
    /// Why token files could not be read last, so that it is logged once.
    private var tokenProblems: [String] = []

    init(
        _ configuration: Reloadable<Configuration>, flags: DaemonFlags, environment: [String: String],
        engine: TaskEngine, transport: UpstreamHTTP, time: any TimeSource, logger: Logger
    ) {
        self.configuration = configuration
        self.flags = flags
        self.environment = environment
        self.engine = engine
        self.transport = transport
        self.time = time
        self.logger = logger
    }

    /// Reads and checks everything, then puts it in force. An error means that nothing has changed.
    private func replaceAll() throws(ReloadRefusal) -> (former: Configuration, now: Configuration) {
        let former = configuration.current
        let next: Configuration
        do throws(DaemonError) {
            next = try Configuration(flags: flags, environment: environment, at: time.now(), after: former)
        } catch {
            throw .invalid(error.message)
        }
        let needs = next.restartNeeds(from: former)
        guard needs.isEmpty else { throw .needsRestart(needs) }
        put(next)
        return (former, next)
    }

    private func put(_ next: Configuration) {
        // Connections first: no request with the new settings uses the former proxies.
        transport.connect(next.connections)
        configuration.replace(with: next)
        engine.followReload()
    }

    private func warnings(_ next: Configuration, since former: Configuration) async -> [String] {
        // The reload has succeeded, also if the tasks cannot be counted.
        let gone = (try? await engine.endpoints.openTasksWithoutEndpoint()) ?? []
        let withoutAccount = (try? await engine.endpoints.openTasksWithoutAccount()) ?? []
        return next.settings.warnings.filter { !former.settings.warnings.contains($0) }
            + gone.map { endpoint, count in
                "\(count) task(s) of \(endpoint) wait: no definition knows that endpoint any more. Nothing is lost; put its definition back and reload."
            }
            + withoutAccount.map { owner, count in
                "\(count) task(s) of account \(owner.account) of \(owner.provider) wait: the settings have no such account any more. Nothing is lost; put it back into providers.\(owner.provider).accounts and reload."
            }
    }

    // MARK: Tokens

    /// Reads the token files if one of them has changed.
    func checkTokenFiles() {
        if configuration.current.hasChangedTokenFile { rereadTokens() }
    }

    /// Reads the token files, and puts changed tokens in force. A token that cannot be read stays as it was.
    func rereadTokens() {
        let former = configuration.current
        let next: Configuration
        do throws(DaemonError) { next = try former.withTokens(readAgainIn: environment) } catch {
            return log(tokenProblems: [error.message])
        }
        log(tokenProblems: next.settings.tokenProblems)
        let changes = next.changes(from: former)
        guard !changes.isEmpty || next.hasOtherSecrets(than: former) else {
            // Read again, but with the same contents.
            if next.settings.tokenFiles != former.settings.tokenFiles { configuration.replace(with: next) }
            return
        }
        put(next)
        for change in changes { logger.notice("The \(change) was read again and has changed.") }
    }

    private func log(tokenProblems problems: [String]) {
        for problem in problems where !tokenProblems.contains(problem) {
            logger.error("\(problem) The token that was read before stays in use.")
        }
        tokenProblems = problems
    }
}

extension Reloader: SettingsReloading {
    nonisolated var loaded: LoadedSettings {
        let configuration = configuration.current
        return LoadedSettings(digest: configuration.digest, loadedAt: configuration.loadedAt)
    }

    func reload() async throws(ReloadRefusal) -> Reload {
        do throws(ReloadRefusal) {
            let (former, next) = try replaceAll()
            await engine.notifications.begin()
            let changes = next.changes(from: former)
            logger.notice(
                "The settings were reloaded: \(changes.isEmpty ? "nothing has changed" : changes.joined(separator: ", "))."
            )
            let warnings = await warnings(next, since: former)
            for warning in warnings { logger.warning("\(warning)") }
            return Reload(
                settings: LoadedSettings(digest: next.digest, loadedAt: next.loadedAt), changes: changes,
                warnings: warnings)
        } catch {
            logger.error("The settings were not reloaded, and nothing has changed: \(error.message)")
            throw error
        }
    }
}

/// Reloads the configuration on SIGHUP.
struct SignalReloads: Service {
    let reloader: Reloader

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            // It logs what it did.
            _ = try? await reloader.reload()
        }
    }
}

/// Looks for changed token files every 30 seconds.
struct TokenWatcher: Service {
    let reloader: Reloader
    let time: any TimeSource

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await time.sleep(until: time.now() + .seconds(30))
                await reloader.checkTokenFiles()
            }
        }
    }
}
