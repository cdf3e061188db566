import Logging
import ProviderCatalog
import TaskModel
import TaskStore

extension TaskService {
    /// Stops submissions of an endpoint; what runs is tracked on.
    package func pause(_ name: String) async throws(TaskServiceError) {
        let profile = try profile(of: name)
        do throws(TaskStoreError) {
            try await context.admission.breakers.pause(
                .submissions(profile.name), CircuitState.Pause(code: "paused", message: "paused by hand"),
                at: context.time.now())
        } catch {
            throw .store(error)
        }
        context.logger.notice("Submissions to \(profile.name) are paused.")
    }

    /// Lets submissions of an endpoint go on, and lifts the pause of its provider, if that was stopped.
    package func resume(_ name: String) async throws(TaskServiceError) {
        let profile = try profile(of: name)
        do throws(TaskStoreError) {
            try await context.admission.breakers.resume(.submissions(profile.name))
            try await context.admission.breakers.resume(.provider(profile.provider))
        } catch {
            throw .store(error)
        }
        context.logger.notice("Submissions to \(profile.name) go on.")
        context.wakes.submitter.signal()
    }
}
