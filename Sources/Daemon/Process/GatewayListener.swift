import Gateway
import Glibc
import HTTPServing
import Logging
import NIOCore
import ProviderCatalog
import ServiceLifecycle
import TaskEngine
import UpstreamHTTP

/// Makes the gateway's servers and reports clearly why one cannot listen.
struct GatewayListeners {
    let configuration: Reloadable<Configuration>
    let service: GatewayService
    let artefacts: ArtefactService?
    let passing: any PassingTransport
    let listeners: Listeners
    let time: any TimeSource
    let group: any EventLoopGroup
    let logger: Logger

    /// The servers of the settings; none if the gateway is off. `prepare` creates the directory of a socket and locks its path.
    func services(
        _ prepare: @escaping @Sendable (_ path: String) throws(DaemonError) -> InstanceLock
    ) throws(DaemonError) -> [any Service] {
        let settings = configuration.current.settings.gateway
        var services: [any Service] = []
        if let address = settings.listen {
            var identity: ServerIdentity?
            if let certificateFile = settings.certificateFile, let keyFile = settings.keyFile {
                identity = ServerIdentity(section: "gateway", certificateFile: certificateFile, keyFile: keyFile)
            }
            let scheme = settings.scheme
            let place = Gateway.Place.address(host: address.host, port: address.port, identity: identity)
            let server = try server(at: place, of: .gateway) { [listeners] port in
                listeners.accepts(.gateway)
                logger.info(
                    "The gateway accepts requests at \(scheme)://\(address.host(with: port ?? address.port))")
            }
            services.append(NetworkListener(setting: "gateway.listen", address: address, server: server))
        }
        if let path = settings.socket {
            let isInherited = listeners.isInherited(.gatewaySocket)
            // Both paths are checked before the start goes on; the supervisor locks it later.
            if !isInherited { _ = try prepare(path) }
            services.append(
                SocketSupervisor(path: path, isInherited: isInherited, time: time, logger: logger) {
                    () throws(DaemonError) in
                    try prepare(path)
                } server: { onRunning in
                    socketServer(path, onRunning)
                })
        }
        return services
    }

    private func socketServer(
        _ path: String, _ onRunning: @escaping @Sendable () async -> Void
    ) -> any Service {
        do throws(DaemonError) {
            return try server(at: .socket(path: path), of: .gatewaySocket) { [listeners] _ in
                if !listeners.isInherited(.gatewaySocket) { chmod(path, 0o600) }
                listeners.accepts(.gatewaySocket)
                await onRunning()
                logger.info("The gateway accepts requests at \(path)")
            }
        } catch {
            preconditionFailure("A socket has no certificate that could be refused: \(error)")
        }
    }

    private func server(
        at place: Gateway.Place, of listener: Listeners.Name, _ onRunning: @escaping @Sendable (Int?) async -> Void
    ) throws(DaemonError) -> any Service {
        do throws(ServerIdentity.Refusal) {
            return try Gateway.server(
                service: service, passing: passing, settings: configuration.view(\.settings.gateway.rules),
                redactor: configuration.view(\.providers.redactor), artefacts: artefacts, at: place,
                inherited: listeners.takeSocket(for: listener), time: time, eventLoopGroup: group, logger: logger,
                onRunning: onRunning)
        } catch {
            throw .badSetting(error.message)
        }
    }
}

extension GatewayListenerSettings {
    var scheme: String { certificateFile == nil ? "http" : "https" }

    /// The address for programs on this machine, as a URL; nil if the gateway has none.
    var url: String? {
        listen.map { address in
            let isWildcard = ["0.0.0.0", "::"].contains(address.host)
            return "\(scheme)://" + (isWildcard ? "localhost:\(address.port)" : address.description)
        }
    }
}
