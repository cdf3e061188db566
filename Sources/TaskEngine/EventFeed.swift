import Synchronization
import TaskModel

/// Wakes clients that wait for a task when something happened to it.
///
/// Carries no data: a client that is woken reads the store.
final class EventFeed: Sendable {
    /// The registration of one waiting client. ``EventFeed/end(_:)`` removes it.
    struct Subscription: Sendable {
        fileprivate let id: UInt64
        /// Nil if it waits only for the daemon to stop.
        fileprivate let task: TaskID?
        let wake = WakeSignal()
    }

    private struct State {
        var waiters: [TaskID: [Subscription]] = [:]
        var count = 0
        /// Not woken by tasks, and not counted.
        var bystanders: [UInt64: Subscription] = [:]
        var nextID: UInt64 = 0
        var isClosing = false
    }

    private let state = Mutex(State())
    private let maxWaiters: Int
    /// How long a client waits that finds no place; see ``EngineLimits/waitWithoutPlace``.
    let waitWithoutPlace: Duration

    init(_ limits: EngineLimits) {
        maxWaiters = limits.waiters
        waitWithoutPlace = limits.waitWithoutPlace
    }

    /// How many clients wait for tasks.
    var waiting: Int { state.withLock { $0.count } }

    /// Wakes the clients of a task that has changed on disk.
    func publish(_ task: TaskID) {
        for waiter in state.withLock({ $0.waiters[task] }) ?? [] { waiter.wake.signal() }
    }

    /// Wakes all clients, because any task may have changed.
    func publishAll() {
        for waiter in state.withLock({ $0.waiters.values.flatMap { $0 } }) { waiter.wake.signal() }
    }

    /// Whether the daemon stops. Then no wait and no paid request starts.
    var isClosing: Bool { state.withLock { $0.isClosing } }

    /// Ends all waits, since the daemon stops.
    func close() {
        let waiters = state.withLock { state in
            state.isClosing = true
            return state.waiters.values.flatMap { $0 } + state.bystanders.values
        }
        for waiter in waiters { waiter.wake.signal() }
    }

    /// Registers a signal that fires on every change of the task; nil if the most clients wait already.
    ///
    /// A change after the first read that follows is never missed.
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

    /// Forgets the signal.
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
