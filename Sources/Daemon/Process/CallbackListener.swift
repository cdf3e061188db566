import CallbackAPI
import Logging
import NIOCore
import ServiceLifecycle
import TaskEngine

/// Makes the public listener.
enum CallbackListener {
    /// Returns nil if callbacks are off.
    static func service(
        _ settings: CallbackSettings, receiver: CallbackReceiver, listeners: Listeners, time: any TimeSource,
        group: any EventLoopGroup, logger: Logger
    ) throws(DaemonError) -> (any Service)? {
        guard let address = settings.listen, let publicURL = settings.publicURL else { return nil }
        var identity: CallbackAPI.Identity?
        if let certificateFile = settings.certificateFile, let keyFile = settings.keyFile {
            identity = CallbackAPI.Identity(certificateFile: certificateFile, keyFile: keyFile)
        }
        let scheme = identity == nil ? "http" : "https"
        do throws(CallbackSetUpError) {
            let server = try CallbackAPI.server(
                receiver: receiver, host: address.host, port: address.port, identity: identity,
                inherited: listeners.takeSocket(for: .callbacks), time: time, eventLoopGroup: group, logger: logger
            ) { port in
                listeners.accepts(.callbacks)
                logger.info(
                    "Callbacks to \(publicURL)/callbacks/… are accepted at \(scheme)://\(address.host(with: port))")
            }
            return NetworkListener(setting: "callbacks.listen", address: address, server: server)
        } catch {
            throw .badSetting(error.message)
        }
    }
}
