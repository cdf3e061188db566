import LocalAPI
import Logging
import ProviderCatalog
import ServiceLifecycle
import ServiceManager
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import UnixSignals
import UpstreamHTTP

/// Replaces the configuration of the running daemon, completely or not at all.
actor Reloader {
    private let configuration: Reloadable<Configuration>
    private let flags: DaemonFlags
    private let environment: [String: String]
    private let engine: TaskEngine
    private let store: TaskStore
    private let transport: UpstreamHTTP
    private let manager: ServiceManager
    private let time: any TimeSource
    private let logger: Logger
    /// Why token files could not be read last time, so that each problem is logged once.
    private var tokenProblems: [String] = []

    init(
        _ configuration: Reloadable<Configuration>, flags: DaemonFlags, environment: [String: String],
        engine: TaskEngine, store: TaskStore, transport: UpstreamHTTP, manager: ServiceManager,
        time: any TimeSource, logger: Logger
    ) {
        self.configuration = configuration
        self.flags = flags
        self.environment = environment
        self.engine = engine
        self.store = store
        self.transport = transport
        self.manager = manager
        self.time = time
        self.logger = logger
    }

    /// Reads and checks everything, then applies it. An error means that nothing has changed.
    private func replaceAll() async throws(ReloadRefusal) -> (former: Configuration, now: Configuration) {
        while true {
            let former = configuration.current
            let next: Configuration
            do throws(DaemonError) {
                next = try Configuration(flags: flags, environment: environment, at: time.now(), after: former)
            } catch {
                throw .invalid(error.message)
            }
            let needs = next.restartNeeds(from: former)
            guard needs.isEmpty else { throw .needsRestart(needs) }
            do throws(TaskStoreError) {
                if try await put(next) { return (former, next) }
            } catch {
                throw .notStored(code: error.code, message: error.message)
            }
        }
    }

    /// Applies it; false if another replacement came first.
    private func put(_ next: Configuration) async throws(TaskStoreError) -> Bool {
        let version = configuration.version.wrappedValue
        let next = try await next.stored(in: store, at: time.now())
        guard configuration.version.wrappedValue == version else { return false }
        // Connections are replaced first, so that no request with the new settings uses the former proxies.
        transport.connect(next.connections)
        configuration.replace(with: next)
        engine.followReload()
        return true
    }

    private func warnings(_ next: Configuration, since former: Configuration) async -> [String] {
        // The reload has succeeded, even if the tasks cannot be counted.
        let gone = (try? await engine.endpoints.openTasksWithoutEndpoint()) ?? []
        let withoutAccount = (try? await engine.endpoints.openTasksWithoutAccount()) ?? []
        return next.settings.warnings.filter { !former.settings.warnings.contains($0) }
            + gone.map { endpoint, count in
                "\(count) task(s) of \(endpoint) wait: no definition has that endpoint any more. Nothing is lost. Restore its definition and reload."
            }
            + withoutAccount.map { owner, count in
                "\(count) task(s) of account \(owner.account) of \(owner.provider) wait: the settings have no such account any more. Nothing is lost. Add it to providers.\(owner.provider).accounts again and reload."
            }
    }

    // MARK: Tokens

    /// Reads the token files if one of them has changed.
    func checkTokenFiles() async {
        if configuration.current.hasChangedTokenFile { await rereadTokens() }
    }

    /// Reads the token files and applies changed tokens. A token that cannot be read stays unchanged.
    func rereadTokens() async {
        let former = configuration.current
        let next: Configuration
        do throws(DaemonError) { next = try former.withTokens(readAgainIn: environment) } catch {
            return log(tokenProblems: [error.message])
        }
        log(tokenProblems: next.settings.tokenProblems)
        let changes = next.changes(from: former)
        guard !changes.isEmpty || next.hasOtherSecrets(than: former) else {
            // The files were written again, but with the same contents.
            if next.settings.tokenFiles != former.settings.tokenFiles { configuration.replace(with: next) }
            return
        }
        do throws(TaskStoreError) {
            // Another reload has read the tokens as well.
            guard try await put(next) else { return }
        } catch {
            return log(tokenProblems: ["A changed token could not be recorded: \(error.message)"])
        }
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
        manager.send(.reloading)
        do throws(ReloadRefusal) {
            let (former, next) = try await replaceAll()
            await engine.notifications.begin()
            let changes = next.changes(from: former)
            logger.notice(
                "The settings were reloaded: \(changes.isEmpty ? "nothing has changed" : changes.joined(separator: ", "))."
            )
            let warnings = await warnings(next, since: former)
            for warning in warnings { logger.warning("\(warning)") }
            manager.send(.ready, .status("Reloaded the settings"))
            return Reload(
                settings: LoadedSettings(digest: next.digest, loadedAt: next.loadedAt), changes: changes,
                warnings: warnings)
        } catch {
            let message = "The settings were not reloaded, and nothing has changed: \(error.message)"
            logger.error("\(message)")
            manager.send(.ready, .status(message))
            throw error
        }
    }
}

/// Reloads the configuration on SIGHUP.
struct SignalReloads: Service {
    let reloader: Reloader

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            // The reloader logs the result.
            _ = try? await reloader.reload()
        }
    }
}

/// Checks for changed token files every 30 seconds.
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
