import Synchronization

/// Services whose list is being read; one reading of each at a time.
final class InFlightServices: Sendable {
    private let services = Mutex<Set<String>>([])

    /// Whether nobody was at it; then we are.
    func begin(_ service: String) -> Bool { services.withLock { $0.insert(service).inserted } }

    func end(_ service: String) { services.withLock { _ = $0.remove(service) } }
}
