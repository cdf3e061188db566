import HTTPServing
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
package import NIOCore
package import ServiceLifecycle
package import TaskEngine
import TaskModel

/// Why the listener cannot be set up.
package struct CallbackSetUpError: Error, Sendable {
    /// A sentence that says which file is wrong, and why.
    package let message: String
}

/// The public listener: providers deliver to it, strangers knock at it, and nothing else of ours can be reached through it.
package enum CallbackAPI {
    /// Certificate chain and key of the listener, in PEM files.
    package struct Identity: Sendable {
        package let certificateFile: String
        package let keyFile: String

        package init(certificateFile: String, keyFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    /// The listener as a service to be run; without an identity it speaks plain HTTP, for a proxy or tunnel in front of it.
    ///
    /// `onRunning` is told the port once connections are taken.
    package static func server(
        service: TaskService, host: String, port: Int, identity: Identity?, limits: CallbackLimits = CallbackLimits(),
        time: any TimeSource, eventLoopGroup: any EventLoopGroup, logger: Logger,
        onRunning: @escaping @Sendable (_ port: Int) async -> Void
    ) throws(CallbackSetUpError) -> some Service {
        var quiet = logger
        // Strangers must not be able to write into the log: a failed handshake is theirs to worry about.
        quiet.logLevel = max(logger.logLevel, .critical)
        let limiter = ClientLimiter(limits: limits, time: time)
        let router = Router(context: CallbackContext.self)
        router.add(middleware: CallbackRoute(service: service, limiter: limiter, limits: limits))
        let application = Application(
            router: router, server: try builder(identity, limits: limits, limiter: limiter),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
            onServerRunning: { channel in await onRunning(channel.localAddress?.port ?? port) },
            eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        return HTTPService(application) { Int(time.now().milliseconds / 1_000) }
    }

    private static func builder(
        _ identity: Identity?, limits: CallbackLimits, limiter: ClientLimiter
    ) throws(CallbackSetUpError) -> HTTPServerBuilder {
        let http = HTTPServerBuilder.http1(
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [
                    ConnectionLimitHandler(limiter: limiter, lifetime: limits.lifetime), DeliveryGate(limiter: limiter),
                ],
                idleTimeout: limits.lifetime,
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.maxHeaderBytes, maxHeaderListSize: limits.maxHeaderBytes,
                    maxHeaderFieldCount: limits.maxHeaders)))
        guard let identity else { return http }
        let configuration = try identity.load()
        do {
            return try .tls(http, tlsConfiguration: configuration)
        } catch {
            throw CallbackSetUpError(
                message:
                    "callbacks.certificate_file (\(identity.certificateFile)) and callbacks.key_file (\(identity.keyFile)) do not go together."
            )
        }
    }
}
