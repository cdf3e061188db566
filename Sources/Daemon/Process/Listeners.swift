import NIOCore
import ProcessMemory
import ServiceManager
import Synchronization

/// Listeners knows which sockets a service manager opened, and reports to it once all listeners accept connections.
final class Listeners: Sendable {
    /// A listener, by the setting that has its address. Its socket has the same name (`FileDescriptorName=`).
    enum Name: String, CaseIterable {
        case socket
        case gateway = "gateway.listen"
        case gatewaySocket = "gateway.socket"
        case callbacks = "callbacks.listen"
        case metrics = "metrics.listen"
        case dashboard = "dashboard.listen"
    }

    let manager: ServiceManager
    private let sockets: InheritedSockets
    private let socketPath: String
    /// The listeners that do not accept connections yet.
    private let waiting: Mutex<Set<Name>>

    /// Checks that the sockets are where the settings say. `first` is the first of their descriptors.
    init(
        _ settings: DaemonSettings, environment: [String: String], manager: ServiceManager, first: CInt = 3
    ) throws(DaemonError) {
        self.manager = manager
        do throws(InheritedSockets.Problem) {
            sockets = try InheritedSockets(environment: environment, first: first)
        } catch {
            throw .badSetting(error.message)
        }
        socketPath = settings.socketPath
        let places = Self.places(in: settings)
        for (name, address) in sockets.addresses.sorted(by: { $0.key < $1.key }) {
            guard let listener = Name(rawValue: name) else {
                let names = Name.allCases.map(\.rawValue).joined(separator: ", ")
                throw .badSetting(
                    "The service manager passed a socket with the name \"\(name)\" at \(address). Its unit needs FileDescriptorName= with the name of a setting: \(names)."
                )
            }
            guard let place = places[listener] else {
                throw .badSetting(
                    "The service manager listens on \(address) for \(name), which is not set, so nobody would answer there. Set \(name), or disable the socket unit."
                )
            }
            guard place.isSame(as: address) else {
                throw .badSetting(
                    "\(name) is \(place), but the service manager listens on \(address) for it. Give the setting and ListenStream= of the socket unit the same address."
                )
            }
        }
        waiting = Mutex(Set(places.keys))
    }

    private static func places(in settings: DaemonSettings) -> [Name: InheritedSockets.Address] {
        func network(_ address: ListenAddress?) -> InheritedSockets.Address? {
            address.map { .network(host: $0.host, port: $0.port) }
        }
        let places: [Name: InheritedSockets.Address?] = [
            .socket: .path(settings.socketPath), .gateway: network(settings.gateway.listen),
            .gatewaySocket: settings.gateway.socket.map { .path($0) },
            .callbacks: network(settings.callbacks.listen), .metrics: network(settings.metricsListen),
            .dashboard: network(settings.dashboard.listen),
        ]
        return places.compactMapValues(\.self)
    }

    /// Whether the service manager opened its socket, and keeps it.
    func isInherited(_ name: Name) -> Bool { sockets.addresses[name.rawValue] != nil }

    /// Hands its open socket over to the server; nil if the server opens one.
    func takeSocket(for name: Name) -> CInt? { sockets.take(name.rawValue) }

    /// Records that a listener accepts connections. Reports the start after the last one.
    func accepts(_ name: Name) {
        let isComplete = waiting.withLock { waiting in
            waiting.remove(name) != nil && waiting.isEmpty
        }
        guard isComplete else { return }
        pollux_unmap_code()
        manager.send(.ready, .status("Accepts work at \(socketPath)"))
    }
}

extension InheritedSockets.Address {
    fileprivate func isSame(as other: Self) -> Bool {
        switch (self, other) {
        case (.path(let path), .path(let other)): return path.withoutDetours == other.withoutDetours
        case (.network(let host, let port), .network(let otherHost, let otherPort)):
            let address = try? SocketAddress.makeAddressResolvingHost(host, port: port)
            return port == otherPort && (address?.ipAddress ?? host) == otherHost
        default: return false
        }
    }
}
