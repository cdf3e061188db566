import Glibc
import ServiceManager
import Testing

@testable import Daemon

/// Sockets that a service manager opened, compared with the settings.
@Suite(.serialized) struct ListenersTests {
    private static let descriptor: CInt = 710

    /// Passes a socket that listens on a port of the given address.
    private func passing(
        _ name: String, at address: in_addr_t = INADDR_LOOPBACK,
        _ settings: (_ port: Int) -> DaemonSettings, _ test: (Listeners) throws -> Void = { _ in }
    ) throws {
        let opened = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(Self.descriptor) }
        dup2(opened, Self.descriptor)
        close(opened)
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = address.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isOpen = withUnsafeMutablePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(Self.descriptor, $0, length) == 0 && listen(Self.descriptor, 1) == 0
                    && getsockname(Self.descriptor, $0, &length) == 0
            }
        }
        try #require(isOpen)
        let environment = ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "1", "LISTEN_FDNAMES": name]
        let port = Int(UInt16(bigEndian: place.sin_port))
        try test(
            Listeners(
                settings(port), environment: environment, manager: ServiceManager(environment: [:]),
                first: Self.descriptor))
    }

    private func settings(gatewayAt text: String? = nil) -> DaemonSettings {
        var settings = DaemonSettings(stateDirectory: "/s", socketPath: "/s/pollux.sock")
        settings.gateway.listen = text.flatMap { ListenAddress($0) }
        return settings
    }

    @Test(arguments: ["127.0.0.1", "localhost"])
    func `a socket at the address of its setting is handed over once`(host: String) throws {
        try passing("gateway.listen") {
            settings(gatewayAt: "\(host):\($0)")
        } _: { listeners in
            #expect(listeners.isInherited(.gateway) && !listeners.isInherited(.socket))
            #expect(listeners.takeSocket(for: .gateway) == Self.descriptor)
            #expect(listeners.takeSocket(for: .gateway) == nil)
            #expect(listeners.takeSocket(for: .socket) == nil)
            #expect(listeners.isInherited(.gateway))
        }
    }

    @Test func `a socket that the settings contradict stops the start, by name`() throws {
        func message(_ body: () throws -> Void) throws -> String {
            try #require(throws: DaemonError.self, performing: body).message
        }

        let unset = try message { try passing("gateway.listen") { _ in settings() } }
        #expect(unset.contains("for gateway.listen, which is not set"), "\(unset)")
        // It would be reachable from other machines, which the settings refuse without a certificate.
        let wider = try message {
            try passing("gateway.listen", at: INADDR_ANY) { settings(gatewayAt: "127.0.0.1:\($0)") }
        }
        #expect(wider.contains("listens on 0.0.0.0:"), "\(wider)")
        let otherPort = try message { try passing("gateway.listen") { settings(gatewayAt: "127.0.0.1:\($0 ^ 1)") } }
        #expect(otherPort.contains("the same address"), "\(otherPort)")
        let network = try message { try passing("socket") { _ in settings() } }
        #expect(
            network.contains("socket is /s/pollux.sock, but the service manager listens on 127.0.0.1:"), "\(network)")
        let unknown = try message { try passing("pollux-gateway.socket") { settings(gatewayAt: "127.0.0.1:\($0)") } }
        #expect(unknown.contains("FileDescriptorName=") && unknown.contains("gateway.listen"), "\(unknown)")
    }
}
