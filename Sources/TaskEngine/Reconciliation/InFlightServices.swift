import Synchronization
import TaskModel

/// The services whose list is being read, by account. Each list is read once at a time.
final class InFlightServices: Sendable {
    private let services = Mutex<Set<AccountService>>([])

    /// Begins a reading; false if one is in progress.
    func begin(_ service: AccountService) -> Bool { services.withLock { $0.insert(service).inserted } }

    func end(_ service: AccountService) { services.withLock { _ = $0.remove(service) } }
}
