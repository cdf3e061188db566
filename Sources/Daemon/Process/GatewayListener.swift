import Gateway
import Glibc
import HTTPServing
import Logging
import NIOCore
import ProviderCatalog
import ServiceLifecycle
import TaskEngine
import UpstreamHTTP

/// Runs the gateway and reports clearly why it cannot listen.
struct GatewayListener: Service {
    private let server: any Service
    private let address: ListenAddress

    /// Returns nil if the gateway is off.
    init?(
        _ configuration: Reloadable<Configuration>, service: GatewayService, passing: any PassingTransport,
        time: any TimeSource, group: any EventLoopGroup, logger: Logger
    ) throws(DaemonError) {
        let settings = configuration.current.settings.gateway
        guard let address = settings.listen else { return nil }
        self.address = address
        var identity: ServerIdentity?
        if let certificateFile = settings.certificateFile, let keyFile = settings.keyFile {
            identity = ServerIdentity(section: "gateway", certificateFile: certificateFile, keyFile: keyFile)
        }
        let scheme = settings.scheme
        do throws(ServerIdentity.Refusal) {
            server = try Gateway.server(
                service: service, passing: passing, settings: configuration.view(\.settings.gateway.rules),
                redactor: configuration.view(\.providers.redactor), host: address.host, port: address.port,
                identity: identity, time: time, eventLoopGroup: group, logger: logger
            ) { port in
                logger.info("The gateway accepts requests at \(scheme)://\(address.host(with: port))")
            }
        } catch {
            throw .badSetting(error.message)
        }
    }

    func run() async throws {
        do {
            try await server.run()
        } catch let error as IOError {
            throw DaemonError.unusablePath(
                "gateway.listen is \(address), which cannot be opened: \(String(cString: strerror(error.errnoCode))).")
        }
    }
}

extension GatewayListenerSettings {
    var scheme: String { certificateFile == nil ? "http" : "https" }

    /// The address for programs on this machine, as a URL; nil if the gateway is off.
    var url: String? {
        listen.map { address in
            let isWildcard = ["0.0.0.0", "::"].contains(address.host)
            return "\(scheme)://" + (isWildcard ? "localhost:\(address.port)" : address.description)
        }
    }
}
