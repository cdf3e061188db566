import Glibc
import NIOCore
import ServiceLifecycle

/// Runs a server at its network address and reports clearly why it cannot listen there.
struct NetworkListener: Service {
    /// The name of the setting with the address.
    let setting: String
    let address: ListenAddress
    let server: any Service

    func run() async throws {
        do {
            try await server.run()
        } catch let error as IOError {
            throw DaemonError.unusablePath(
                "\(setting) is \(address), which cannot be opened: \(String(cString: strerror(error.errnoCode))).")
        }
    }
}
