import Synchronization
import TaskModel

/// The queued tasks whose earlier attempts are looked up before they are sent again. There is one for each account of a
/// service.
final class InFlightResubmissions: Sendable {
    private let tasks = Mutex<[AccountService: TaskID]>([:])

    /// The task of each account of a service.
    var byService: [AccountService: TaskID] { tasks.withLock { $0 } }

    /// Adds a task; false if the account already has one in that service.
    func begin(_ task: TaskID, of service: AccountService) -> Bool {
        tasks.withLock { tasks in
            guard tasks[service] == nil else { return false }
            tasks[service] = task
            return true
        }
    }

    /// Removes the task of the service.
    func end(of service: AccountService) { tasks.withLock { _ = $0.removeValue(forKey: service) } }
}
