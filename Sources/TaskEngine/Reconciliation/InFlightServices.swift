import Synchronization

/// The services whose list is being read, so that each is read once at a time.
final class InFlightServices: Sendable {
    private let services = Mutex<Set<String>>([])

    /// Starts a reading; false if one is in progress.
    func begin(_ service: String) -> Bool { services.withLock { $0.insert(service).inserted } }

    func end(_ service: String) { services.withLock { _ = $0.remove(service) } }
}
