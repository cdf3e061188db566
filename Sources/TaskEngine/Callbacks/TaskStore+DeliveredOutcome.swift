import Logging
import ProviderCatalog
import TaskModel
import TaskStore

extension TaskStore {
    /// The end of the task in a delivery; nil if no delivery reported one, or if it cannot be read now.
    func deliveredOutcome(of task: TrackedTask, in catalog: ProviderCatalog, logger: Logger) async -> Observation? {
        do throws(TaskStoreError) {
            guard let body = try await deliveredOutcome(of: task.id),
                let dialect = catalog.endpoint(task.endpoint)?.dialect,
                case (let id, var observation)? = dialect.readCallback(body), observation.verdict != .pending
            else { return nil }
            // The delivery may belong to an attempt that was declared lost, with another id than the task's.
            if let id, let own = task.remoteID, id != own { return nil }
            // The address of a result may need the id, which the body does not contain.
            if id == nil, case .succeeded = observation.verdict {
                observation.results = dialect.results(in: observation.record, of: task.remoteID)
            }
            return observation
        } catch {
            logger.about(task, code: error.code).error("Could not read the delivery for \(task.id): \(error.message)")
            return nil
        }
    }
}
