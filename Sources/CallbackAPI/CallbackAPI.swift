import HTTPServing
import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
package import ServiceLifecycle
package import TaskEngine
import TaskModel

/// Why the listener cannot be created.
package struct CallbackSetUpError: Error, Sendable {
    /// A sentence that names the invalid file and the reason.
    package let message: String
}

/// The public HTTP listener for provider callbacks. It serves nothing else.
package enum CallbackAPI {
    /// The PEM files with the listener's certificate chain and key.
    package struct Identity: Sendable {
        package let certificateFile: String
        package let keyFile: String

        package init(certificateFile: String, keyFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    /// Creates the listener service. Without an identity it serves plain HTTP, for a proxy or tunnel in front of it.
    ///
    /// `inherited` is the listening socket if it is open already. `onRunning` receives the port when the listener accepts
    /// connections.
    package static func server(
        receiver: CallbackReceiver, host: String, port: Int, identity: Identity?, inherited: CInt? = nil,
        limits: CallbackLimits = CallbackLimits(),
        time: any TimeSource, eventLoopGroup: any EventLoopGroup, logger: Logger,
        onRunning: @escaping @Sendable (_ port: Int) async -> Void
    ) throws(CallbackSetUpError) -> some Service {
        var quiet = logger
        // Failed handshakes are not logged, because an unauthenticated client must not be able to write to the log.
        quiet.logLevel = max(logger.logLevel, .critical)
        let limiter = ClientLimiter(limits: limits, time: time)
        let router = Router(context: CallbackContext.self)
        router.add(middleware: CallbackRoute(receiver: receiver, limiter: limiter, limits: limits))
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
            onServerRunning: { channel in await onRunning(channel.localAddress?.port ?? port) },
            eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        let channels = try channels(identity, limits: limits, limiter: limiter)
        return HTTPService(application, channels: channels, inherited: inherited) {
            Int(time.now().milliseconds / 1_000)
        }
    }

    private static func channels(
        _ identity: Identity?, limits: CallbackLimits, limiter: ClientLimiter
    ) throws(CallbackSetUpError) -> ChannelBuilder {
        let http = ChannelBuilder { responder in
            HTTP1Channel(
                responder: responder,
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [
                        ConnectionLimitHandler(limiter: limiter, lifetime: limits.lifetime),
                        BodyOnDemandHandler(limiter: limiter),
                    ],
                    idleTimeout: limits.lifetime,
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: limits.maxHeaderBytes, maxHeaderListSize: limits.maxHeaderBytes,
                        maxHeaderFieldCount: limits.maxHeaders)))
        }
        guard let identity else { return http }
        do throws(ServerIdentity.Refusal) {
            return try ServerIdentity(
                section: "callbacks", certificateFile: identity.certificateFile, keyFile: identity.keyFile
            ).channels(over: http)
        } catch {
            throw CallbackSetUpError(message: error.message)
        }
    }
}
