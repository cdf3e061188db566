import Synchronization
import TaskModel

/// The queued tasks whose earlier attempts are being looked for before they are sent again: one per service.
final class InFlightResubmissions: Sendable {
    private let tasks = Mutex<[ServiceName: TaskID]>([:])

    /// The task of each service.
    var byService: [ServiceName: TaskID] { tasks.withLock { $0 } }

    /// Starts one; false if the service has one already.
    func begin(_ task: TaskID, of service: ServiceName) -> Bool {
        tasks.withLock { tasks in
            guard tasks[service] == nil else { return false }
            tasks[service] = task
            return true
        }
    }

    /// Ends the service's one.
    func end(of service: ServiceName) { tasks.withLock { _ = $0.removeValue(forKey: service) } }
}
