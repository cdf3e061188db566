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
        _ task: TrackedTask, of profile: EndpointProfile, holding replyRoom: ReplyRoom, at now: Timestamp
    ) async throws(TaskStoreError) -> Submitter.Work? {
        let (event, callbackURL) = event(for: task, of: profile, at: now)
        let change: TaskChange?
        do throws(TaskStoreError) {
            change = try await store.apply([event], at: now).first
        } catch {
            if case .leaseHeld(let holder) = error {
                loseLease(of: profile, to: holder)
                return nil
            }
            if case .unknown = error {
                noteUnknownClaim(of: task)
                admission.pace(profile)
            }
            throw error
        }
        // A user may have cancelled the task since it was read.
        guard let change, change.transition == .advance(to: .submitting) else { return nil }
        // Tasks of one claim are sent together, so the pace counts from here, not from the claim.
        admission.pace(profile)
        return Submitter.Work(task: change.task, profile: profile, callbackURL: callbackURL, replyRoom: replyRoom)
    }

    /// The event that starts an attempt, and the callback URL of its request.
    func event(for task: TrackedTask, of profile: EndpointProfile, at now: Timestamp) -> (ScheduledEvent, String?) {
        let callback = callbacks?.address(for: task, of: profile)
        let event = ScheduledEvent(
            .submissionStarted(callback: callback?.digest), for: task.id, under: LeaseName(provider: profile.provider),
            nextDueAt: now + limits.timeout(of: profile))
        return (event, callback?.url)
    }

    /// Notes that another process holds the lease, so that nothing more is started there for a while.
    func loseLease(of profile: EndpointProfile, to holder: String) {
        admission.leases.lose(profile.provider, to: holder)
        logger.warning("\(TaskStoreError.leaseHeld(by: holder).message)")
    }

    /// Remembers that the commit that starts the task's next attempt is unknown.
    func noteUnknownClaim(of task: TrackedTask) {
        storage.noteUnknownClaim(of: task.id, attempt: task.attempts + 1)
    }
}
