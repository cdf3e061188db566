import CallbackAPI
import Glibc
import Logging
import NIOCore
import ServiceLifecycle
import TaskEngine

/// Runs the public listener and reports clearly why it cannot listen.
struct CallbackListener: Service {
    private let server: any Service
    private let address: ListenAddress

    /// Returns nil if callbacks are off.
    init?(
        _ settings: CallbackSettings, receiver: CallbackReceiver, time: any TimeSource, group: any EventLoopGroup,
        logger: Logger
    ) throws(DaemonError) {
        guard let address = settings.listen, let publicURL = settings.publicURL else { return nil }
        var identity: CallbackAPI.Identity?
        if let certificateFile = settings.certificateFile, let keyFile = settings.keyFile {
            identity = CallbackAPI.Identity(certificateFile: certificateFile, keyFile: keyFile)
        }
        let scheme = identity == nil ? "http" : "https"
        self.address = address
        do throws(CallbackSetUpError) {
            server = try CallbackAPI.server(
                receiver: receiver, host: address.host, port: address.port, identity: identity, time: time,
                eventLoopGroup: group, logger: logger
            ) { port in
                logger.info(
                    "Callbacks to \(publicURL)/callbacks/… are accepted at \(scheme)://\(address.host(with: port))")
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
                "callbacks.listen is \(address), which cannot be opened: \(String(cString: strerror(error.errnoCode)))."
            )
        }
    }
}
