import Logging
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore
import VerbatimJSON

/// Stores the intent of an attempt before anything is sent.
struct AttemptStarter: Sendable {
    let store: TaskStore
    @Current var limits: EngineLimits
    let admission: AdmissionControl
    let storage: StorageMonitor
    /// Nil if callbacks are off.
    let callbacks: CallbackMonitor?
    let uncounted = UncountedEndpoints()
    let logger: Logger

    /// What became of the start of an attempt.
    enum Start {
        case started(Submitter.Work)
        /// A budget has no room for it.
        case held
        /// The task is no longer queued, or another process holds the lease.
        case none
    }

    /// Starts an attempt.
    func start(
        _ task: TrackedTask, of endpoint: AccountEndpoint, holding replyRoom: ReplyRoom, at now: Timestamp
    ) async throws(TaskStoreError) -> Start {
        let permit = admission.leases.permit(under: endpoint.lease)
        let (event, callbackURL) = try await event(for: task, of: endpoint, at: now)
        let change: TaskChange?
        do throws(TaskStoreError) {
            change = try await store.apply([event], at: now).first
        } catch {
            if case .leaseHeld(let holder) = error {
                loseLease(of: endpoint, to: holder)
                return .none
            }
            if case .unknown = error {
                noteUnknownClaim(of: task)
                admission.pace(endpoint)
            }
            throw error
        }
        // A user may have cancelled the task since it was read.
        guard let change, change.transition == .advance(to: .submitting) else {
            return change?.isHeld ?? false ? .held : .none
        }
        // Tasks of one claim are sent together, so the pace counts from here, not from the claim.
        admission.pace(endpoint)
        return .started(
            Submitter.Work(
                task: change.task, endpoint: endpoint, callbackURL: callbackURL, permit: permit, replyRoom: replyRoom))
    }

    /// The event that starts an attempt, and the callback URL of its request.
    func event(
        for task: TrackedTask, of endpoint: AccountEndpoint, at now: Timestamp
    ) async throws(TaskStoreError) -> (ScheduledEvent, String?) {
        let callback = callbacks?.address(for: task, of: endpoint.profile)
        var event = ScheduledEvent(
            .submissionStarted(callback: callback?.digest, account: endpoint.account), for: task.id,
            under: endpoint.lease, nextDueAt: now + limits.timeout(of: endpoint.profile))
        event.charge = try await charge(for: task, of: endpoint)
        return (event, callback?.url)
    }

    /// What the task is expected to cost at the current price. The request is read only if the price depends on it.
    private func charge(
        for task: TrackedTask, of endpoint: AccountEndpoint
    ) async throws(TaskStoreError) -> Charge {
        var request = JSONValue.null
        if endpoint.profile.price?.dependsOnRequest ?? false {
            request = try await store.taskWithPayload(task.id)?.payload.request ?? .null
        }
        let charge = endpoint.profile.charge(for: request)
        for budget in admission.budgets where uncounted.isNews(charge, of: task, by: endpoint.account, for: budget) {
            logger.warning(
                "Budget \"\(budget.name)\" does not count tasks of \(endpoint.name): the endpoint has no price in \(budget.unit) for them. Write one into prices.yaml, or set `unpriced: hold`."
            )
        }
        return charge
    }

    /// Records that another process holds the lease, so that no attempts are started there for a while.
    func loseLease(of endpoint: AccountEndpoint, to holder: String) {
        admission.leases.lose(endpoint.owner, to: holder)
        // In a shared store, leases move from one process to another by themselves.
        let level = admission.leases.isShared ? Logger.Level.debug : .warning
        logger.log(level: level, "\(TaskStoreError.leaseHeld(by: holder).message)")
    }

    /// Records that the outcome of the commit that starts the task's next attempt is unknown.
    func noteUnknownClaim(of task: TrackedTask) {
        storage.noteUnknownClaim(of: task.id, attempt: task.attempts + 1)
    }
}

/// Remembers which endpoints a budget does not count for want of a price, so that each is named once.
final class UncountedEndpoints: Sendable {
    private struct Pair: Hashable {
        let budget: String
        let endpoint: EndpointName
    }

    private let named = Mutex<Set<Pair>>([])

    /// Whether the budget lets such a task pass uncounted, and did so for no other of its endpoint before.
    func isNews(_ charge: Charge, of task: TrackedTask, by account: AccountName, for budget: Budget) -> Bool {
        let spender = Spender(
            provider: charge.provider, account: account, endpoint: task.endpoint, labels: task.labels)
        guard budget.unpriced == .allow, charge.estimate?.unit != budget.unit, budget.share(of: spender) != nil else {
            return false
        }
        return named.withLock { $0.insert(Pair(budget: budget.name, endpoint: task.endpoint)).inserted }
    }
}
