package import HTTPServing
import Hummingbird
import HummingbirdCore
package import LocalAPI
package import Logging
package import NIOCore
package import ProviderCatalog
package import ServiceLifecycle
package import TaskEngine
import TaskModel

/// The listener for people with a browser: a page, and the local API for it.
package enum Dashboard {
    /// The most connections at once. More wait in the kernel's queue. Streams do not count.
    static let maxConnections = 128

    /// Makes the server, as a service. `inherited` is the listening socket if it is open already. `onRunning` gets the port
    /// once it accepts connections.
    package static func server(
        _ services: LocalAPIServices, sessions: DashboardSessions, host: String, port: Int, identity: ServerIdentity?,
        inherited: CInt? = nil, hosts: Current<[String]>, maxStreams: Int, random: EngineRandom,
        eventLoopGroup: any EventLoopGroup,
        logger: Logger, onRunning: @escaping @Sendable (_ port: Int) async -> Void
    ) throws(ServerIdentity.Refusal) -> some Service {
        let connections = SocketConnections(limit: maxConnections)
        var quiet = logger
        // A program on the network must not be able to fill the log with failed handshakes.
        quiet.logLevel = max(logger.logLevel, .critical)
        let time = services.time
        let application = Application(
            responder: responder(
                services, sessions: sessions, rules: RequestRules(listensOn: host, hosts: hosts), random: random,
                connections: connections, maxStreams: maxStreams),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: nil,
                availableConnectionsDelegate: connections.delegate),
            onServerRunning: { channel in
                connections.begin(channel)
                await onRunning(channel.localAddress?.port ?? port)
            }, eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        let channels = try identity?.channels(over: LocalAPI.http) ?? LocalAPI.http
        return HTTPService(application, channels: channels, inherited: inherited) {
            Int(time.now().milliseconds / 1_000)
        }
    }

    /// What answers the requests. Tests use it without a listener.
    static func responder(
        _ services: LocalAPIServices, sessions: DashboardSessions, rules: RequestRules, random: EngineRandom,
        connections: SocketConnections = SocketConnections(limit: maxConnections),
        maxStreams: Int = LocalAPI.maxStreams
    ) -> DashboardResponder {
        let local = LocalAPI.router(services, connections: connections, maxStreams: maxStreams).buildResponder()
        let page = PageRoutes(
            files: PageFiles(), sessions: sessions, links: MediaLinks(random: random, time: services.time),
            artefacts: services.engine.artefacts, version: services.facts.version, local: local)
        return DashboardResponder(
            rules: rules, sessions: sessions, actions: services.engine.actions,
            page: page.router().buildResponder(), local: local)
    }
}
