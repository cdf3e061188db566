import Synchronization
import TaskModel
import TaskStore

/// DeliveryQueues holds the queue of each destination in memory. The database has all that must survive.
final class DeliveryQueues: Sendable {
    private struct State {
        var queues: [DestinationName: DeliveryQueue] = [:]
        var drops = 0
        /// The greatest number of a delivery of a dropped queue, whose outcome may still come.
        var jobs = 0

        mutating func drop(_ queue: DeliveryQueue?) { jobs = max(jobs, queue?.jobs ?? 0) }
    }

    private let state = Mutex(State())

    var names: Set<DestinationName> { state.withLock { Set($0.queues.keys) } }

    /// How often queues were dropped. To be read before a queue is read from the database.
    var drops: Int { state.withLock { $0.drops } }

    /// Takes a queue, unless there is one or one was dropped since: what was read may be older than the change that led to it.
    func put(_ queue: DeliveryQueue, readAfter drops: Int) {
        state.withLock { state in
            guard state.drops == drops, state.queues[queue.name] == nil else { return }
            state.queues[queue.name] = queue
            state.queues[queue.name]?.jobs = state.jobs
        }
    }

    /// Drops a queue. What it knew is read from the database again.
    func drop(_ name: DestinationName) {
        state.withLock { state in
            state.drop(state.queues.removeValue(forKey: name))
            state.drops += 1
        }
    }

    func dropAll() {
        state.withLock { state in
            for queue in state.queues.values { state.drop(queue) }
            state.queues = [:]
            state.drops += 1
        }
    }

    /// Lets `body` look at a queue or change it; nil if there is none.
    func with<Value: Sendable>(_ name: DestinationName, _ body: (inout DeliveryQueue) -> Value) -> Value? {
        state.withLock { state in
            guard var queue = state.queues.removeValue(forKey: name) else { return nil }
            defer { state.queues[name] = queue }
            return body(&queue)
        }
    }
}
