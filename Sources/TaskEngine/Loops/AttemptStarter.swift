import Logging
import ProviderCatalog
import TaskModel
import TaskStore

/// Stores the intent of an attempt before anything is sent.
struct AttemptStarter: Sendable {
    let store: TaskStore
    @Current var limits: EngineLimits
    let admission: AdmissionControl
    let storage: StorageMonitor
    /// Nil if callbacks are off.
    let callbacks: CallbackMonitor?
    let logger: Logger

    /// Starts an attempt. Returns nil if the task is no longer queued.
    func start(
        _ task: TrackedTask, of endpoint: AccountEndpoint, holding replyRoom: ReplyRoom, at now: Timestamp
    ) async throws(TaskStoreError) -> Submitter.Work? {
        let (event, callbackURL) = event(for: task, of: endpoint, at: now)
        let change: TaskChange?
        do throws(TaskStoreError) {
            change = try await store.apply([event], at: now).first
        } catch {
            if case .leaseHeld(let holder) = error {
                loseLease(of: endpoint, to: holder)
                return nil
            }
            if case .unknown = error {
                noteUnknownClaim(of: task)
                admission.pace(endpoint)
            }
            throw error
        }
        // A user may have cancelled the task since it was read.
        guard let change, change.transition == .advance(to: .submitting) else { return nil }
        // Tasks of one claim are sent together, so the pace counts from here, not from the claim.
        admission.pace(endpoint)
        return Submitter.Work(task: change.task, endpoint: endpoint, callbackURL: callbackURL, replyRoom: replyRoom)
    }

    /// The event that starts an attempt, and the callback URL of its request.
    func event(for task: TrackedTask, of endpoint: AccountEndpoint, at now: Timestamp) -> (ScheduledEvent, String?) {
        let callback = callbacks?.address(for: task, of: endpoint.profile)
        let event = ScheduledEvent(
            .submissionStarted(callback: callback?.digest, account: endpoint.account), for: task.id,
            under: endpoint.lease, nextDueAt: now + limits.timeout(of: endpoint.profile))
        return (event, callback?.url)
    }

    /// Records that another process holds the lease, so that no attempts are started there for a while.
    func loseLease(of endpoint: AccountEndpoint, to holder: String) {
        admission.leases.lose(endpoint.owner, to: holder)
        logger.warning("\(TaskStoreError.leaseHeld(by: holder).message)")
    }

    /// Records that the outcome of the commit that starts the task's next attempt is unknown.
    func noteUnknownClaim(of task: TrackedTask) {
        storage.noteUnknownClaim(of: task.id, attempt: task.attempts + 1)
    }
}
