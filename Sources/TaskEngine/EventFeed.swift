import Synchronization
import TaskModel

/// Wakes clients that wait for a task when the task changes.
///
/// It carries no data: a client that is woken reads the store.
final class EventFeed: Sendable {
    /// The registration of one waiting client. ``EventFeed/end(_:)`` removes it.
    struct Subscription: Sendable {
        fileprivate let id: UInt64
        /// The task; nil if it waits only for the daemon to stop.
        fileprivate let task: TaskID?
        let wake = WakeSignal()
    }

    private struct State {
        var waiters: [TaskID: [Subscription]] = [:]
        var count = 0
        /// Subscriptions that tasks do not wake and that are not counted.
        var bystanders: [UInt64: Subscription] = [:]
        var nextID: UInt64 = 0
        var isClosing = false
    }

    private let state = Mutex(State())
    private let maxWaiters: Int
    /// The longest wait of a client without a place; see ``EngineLimits/waitWithoutPlace``.
    let waitWithoutPlace: Duration

    init(_ limits: EngineLimits) {
        maxWaiters = limits.waiters
        waitWithoutPlace = limits.waitWithoutPlace
    }

    /// The number of clients that wait for tasks.
    var waiting: Int { state.withLock { $0.count } }

    /// Wakes the clients of a task that has changed on disk.
    func publish(_ task: TaskID) {
        for waiter in state.withLock({ $0.waiters[task] }) ?? [] { waiter.wake.signal() }
    }

    /// Wakes all clients, because any task may have changed.
    func publishAll() {
        for waiter in state.withLock({ $0.waiters.values.flatMap { $0 } }) { waiter.wake.signal() }
    }

    /// Whether the daemon is stopping. Then no wait and no paid request starts.
    var isClosing: Bool { state.withLock { $0.isClosing } }

    /// Ends all waits because the daemon is stopping.
    func close() {
        let waiters = state.withLock { state in
            state.isClosing = true
            return state.waiters.values.flatMap { $0 } + state.bystanders.values
        }
        for waiter in waiters { waiter.wake.signal() }
    }

    /// Registers a signal that fires on every change of the task; nil if the maximum number of clients wait already.
    ///
    /// Subscribe before the first read, so that no later change is missed.
    func subscribe(to task: TaskID) -> Subscription? {
        state.withLock { state in
            guard state.count < maxWaiters else { return nil }
            state.nextID += 1
            state.count += 1
            let subscription = Subscription(id: state.nextID, task: task)
            state.waiters[task, default: []].append(subscription)
            return subscription
        }
    }

    /// Registers a signal that fires only when the daemon stops. It does not count as a waiter.
    func subscribeToClosing() -> Subscription {
        state.withLock { state in
            state.nextID += 1
            let subscription = Subscription(id: state.nextID, task: nil)
            state.bystanders[state.nextID] = subscription
            return subscription
        }
    }

    /// Removes the signal.
    func end(_ subscription: Subscription) {
        state.withLock { state in
            guard let task = subscription.task else {
                state.bystanders[subscription.id] = nil
                return
            }
            state.count -= 1
            state.waiters[task]?.removeAll { $0.id == subscription.id }
            if state.waiters[task]?.isEmpty == true { state.waiters[task] = nil }
        }
    }
}
