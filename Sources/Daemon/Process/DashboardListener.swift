import Dashboard
import Glibc
import HTTPServing
import LocalAPI
import Logging
import NIOCore
import ProviderCatalog
import ServiceLifecycle
import Synchronization
import TaskEngine
import TaskModel

/// Opens the dashboard: starts its listener where that is not running, and makes codes.
final class DashboardOpener: DashboardOpening {
    private enum Phase {
        /// It does not listen. `hasBegun` is true once a command has asked it to.
        case off(hasBegun: Bool)
        case listening(url: String)
        case stopped
    }

    private struct State {
        var phase = Phase.off(hasBegun: false)
        var waiting: [CheckedContinuation<Result<String, DashboardRefusal>, Never>] = []
    }

    let sessions: DashboardSessions
    /// Yields when the listener is to start.
    let starts: AsyncStream<Void>
    private let start: AsyncStream<Void>.Continuation
    private let state = Mutex(State())

    init(sessions: DashboardSessions) {
        self.sessions = sessions
        (starts, start) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func open(isReadOnly: Bool) async throws(DashboardRefusal) -> DashboardLogin {
        let url = try await url().get()
        let (code, expiresAt) = sessions.addCode(isReadOnly: isReadOnly)
        return DashboardLogin(url: "\(url)/#login=\(code)", isReadOnly: isReadOnly, expiresAt: expiresAt)
    }

    /// The address of the dashboard once it listens.
    private func url() async -> Result<String, DashboardRefusal> {
        await withCheckedContinuation { continuation in
            let known: Result<String, DashboardRefusal>? = state.withLock { state in
                switch state.phase {
                case .listening(let url): return .success(url)
                case .stopped: return .failure(.stopping)
                case .off(let hasBegun):
                    state.waiting.append(continuation)
                    if !hasBegun { start.yield() }
                    state.phase = .off(hasBegun: true)
                    return nil
                }
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// Notes that it listens.
    func noteListening(at url: String) { settle(.listening(url: url), .success(url)) }

    /// Notes that it could not listen. The next request tries again.
    func noteFailure(_ message: String) { settle(.off(hasBegun: false), .failure(.cannotListen(message))) }

    /// Notes that it will not listen any more.
    func noteStop() { settle(.stopped, .failure(.stopping)) }

    private func settle(_ phase: Phase, _ result: Result<String, DashboardRefusal>) {
        let waiting = state.withLock { state in
            state.phase = phase
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: result) }
    }
}

/// Runs the dashboard's server: with the daemon if the settings have an address, else from the first `pollux open` on.
struct DashboardListener: Service {
    let opener: DashboardOpener
    let services: LocalAPIServices
    let configuration: Reloadable<Configuration>
    let listeners: Listeners
    let maxStreams: Int
    let group: any EventLoopGroup
    let logger: Logger

    /// Where it listens without a setting.
    private static let usualPort = 8485

    func run() async throws {
        defer { opener.noteStop() }
        if let address = configuration.current.settings.dashboard.listen {
            try await NetworkListener(
                setting: "dashboard.listen", address: address, server: try server(at: address)
            ).run()
            return
        }
        for await _ in opener.starts.cancelOnGracefulShutdown() {
            if try await hasServed(port: Self.usualPort) { return }
            // Another program has the usual port. The system chooses one.
            if try await hasServed(port: 0) { return }
            opener.noteFailure("The dashboard cannot listen on 127.0.0.1. The daemon's log has the reason.")
        }
    }

    /// Serves until shutdown; false if the port cannot be opened.
    private func hasServed(port: Int) async throws -> Bool {
        guard let address = ListenAddress("127.0.0.1:\(port)") else { return false }
        do {
            try await server(at: address).run()
            return true
        } catch let error as IOError {
            logger.notice("The dashboard cannot listen on \(address): \(String(cString: strerror(error.errnoCode))).")
            return false
        }
    }

    private func server(at address: ListenAddress) throws(DaemonError) -> any Service {
        let settings = configuration.current.settings.dashboard
        let inherited = listeners.takeSocket(for: .dashboard)
        var identity: ServerIdentity?
        if let certificateFile = settings.certificateFile, let keyFile = settings.keyFile {
            identity = ServerIdentity(section: "dashboard", certificateFile: certificateFile, keyFile: keyFile)
        }
        do throws(ServerIdentity.Refusal) {
            return try Dashboard.server(
                services, sessions: opener.sessions, host: address.host, port: address.port, identity: identity,
                inherited: inherited,
                hosts: configuration.view(\.settings.dashboard.names), maxStreams: maxStreams,
                random: EngineRandom(SystemRandomNumberGenerator()), eventLoopGroup: group, logger: logger
            ) { [opener, listeners, logger] port in
                let url = settings.url(of: address, port: port)
                logger.info("The dashboard is shown at \(url). `pollux open` lets a browser in.")
                listeners.accepts(.dashboard)
                opener.noteListening(at: url)
            }
        } catch {
            throw .badSetting(error.message)
        }
    }
}

extension DashboardSettings {
    /// The names by which the dashboard may be reached, besides those of this machine.
    fileprivate var names: [String] { hosts + [publicURL.flatMap { HTTPAddress($0)?.host }].compactMap { $0 } }

    /// The address for a browser.
    fileprivate func url(of address: ListenAddress, port: Int) -> String {
        if let publicURL { return publicURL }
        let isWildcard = ["0.0.0.0", "::"].contains(address.host)
        let host = isWildcard ? "\(hosts.first ?? "localhost"):\(port)" : address.host(with: port)
        return "\(certificateFile == nil ? "http" : "https")://\(host)"
    }
}
