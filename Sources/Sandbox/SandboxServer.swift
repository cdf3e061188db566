import AsyncHTTPClient
import Foundation
import Hummingbird
package import Logging
import NIOCore
import ServiceLifecycle

/// Why a sandbox cannot start.
package enum SandboxError: Error, Equatable, CustomStringConvertible {
    /// The speed is not a positive number.
    case invalidSpeed(Double)
    /// The port cannot be bound.
    case portUnavailable(Int, reason: String)

    /// States the problem and what to use instead.
    package var description: String {
        switch self {
        case .invalidSpeed(let speed): "The speed is \(speed); it must be a number above 0, such as 1 or 60."
        case .portUnavailable(let port, let reason): "Port \(port) cannot be opened: \(reason)."
        }
    }
}

/// Runs the simulated provider: listens, replies in the provider's wire formats, keeps a ledger.
///
/// `run()` returns after a graceful shutdown. It throws `SandboxError` for invalid settings, and the network's error
/// when it cannot listen.
package struct SandboxServer: Service {
    private let settings: SandboxSettings
    private let provider: SimulatedProvider
    private let logger: Logger
    private let onListening: @Sendable (Int) async -> Void

    /// Creates a server that is not running yet. `onListening` receives the TCP port when it accepts connections.
    package init(
        settings: SandboxSettings, logger: Logger, onListening: @escaping @Sendable (Int) async -> Void = { _ in }
    ) {
        self.settings = settings
        self.logger = logger
        self.onListening = onListening
        provider = SimulatedProvider(settings: settings)
    }

    /// Serves until graceful shutdown or cancellation, then writes the ledger file if the settings name one.
    package func run() async throws {
        guard settings.speed > 0, settings.speed.isFinite else { throw SandboxError.invalidSpeed(settings.speed) }
        let client =
            settings.callbackSender == nil
            ? CallbackClient.make(verifiesCertificates: settings.verifiesCallbackCertificates) : nil
        let sender: CallbackSender =
            settings.callbackSender ?? { url, body in
                guard let client else { return nil }
                return await CallbackClient.send(body, to: url, by: client)
            }
        let caller = CallbackCaller(provider: provider, sender: sender, logger: logger)
        let application = Application(
            router: router(caller),
            configuration: ApplicationConfiguration(address: .hostname(settings.host, port: settings.port)),
            onServerRunning: { channel in
                let port = channel.localAddress?.port ?? settings.port
                logger.info("Sandbox listening", metadata: ["host": "\(settings.host)", "port": "\(port)"])
                await onListening(port)
            },
            logger: quietLogger)
        let outcome = await serve(application, caller)
        try? await client?.shutdown()
        do {
            try outcome.get()
        } catch let error as IOError {
            throw SandboxError.portUnavailable(settings.port, reason: String(cString: strerror(error.errnoCode)))
        }
        try writeLedgerFile()
    }

    private func router(_ caller: CallbackCaller) -> Router<SandboxContext> {
        let router = Router(context: SandboxContext.self)
        router.add(middleware: ProviderErrorMiddleware(provider: provider))
        ControlRoutes(provider: provider, logger: logger).add(to: router)
        ProviderRoutes(provider: provider, caller: caller, logger: logger).add(to: router)
        ResultRoutes(provider: provider, logger: logger).add(to: router)
        OtherProviderRoutes(provider: provider, caller: caller, logger: logger).add(to: router)
        return router
    }

    /// Suppresses Hummingbird's log lines, which repeat ours.
    private var quietLogger: Logger {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        return quiet
    }

    /// Serves requests and sends callbacks until it is stopped.
    private func serve(_ application: some ApplicationProtocol, _ caller: CallbackCaller) async -> Result<
        Void, any Error
    > {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await caller.run() }
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await application.run()) } catch { outcome = .failure(error) }
            group.cancelAll()
            return outcome
        }
    }

    private func writeLedgerFile() throws {
        guard let path = settings.ledgerFile else { return }
        try Data(provider.ledger.document.utf8Text).write(to: URL(filePath: path), options: .atomic)
    }
}
