import Synchronization
import TaskModel
import TaskStore

/// Tracks which tasks that were queued at the start wait until the provider's list has been read.
///
/// Two faults show only in that list: files that were replaced by older ones together with their witness, and a machine
/// that was set back. Queued tasks may have been sent since.
final class StartCheck: Sendable {
    /// The tasks in doubt and the period.
    struct Scope: Sendable {
        /// The last time at which the daemon is known to have run.
        let since: Timestamp
        let startedAt: Timestamp
        /// Covers the tasks that existed at the start.
        let mark: TaskMark
    }

    private struct State {
        var scope: Scope?
        var endpoints: Set<EndpointName> = []
        var refusals: [ServiceName: Int] = [:]
        var notBefore: [ServiceName: Timestamp] = [:]

        func isTime(for service: ServiceName, at now: Timestamp) -> Bool {
            // A later time comes from before the clock was set back.
            notBefore[service].map { $0 <= now || $0 - now > StartCheck.gap } ?? true
        }
    }

    private let state = Mutex(State())

    /// How many errors of a provider are tolerated before the tasks are sent unchecked.
    static let mostRefusals = 3
    /// The time between two tries, so that three take less than a minute.
    static let gap = Duration.seconds(15)

    /// Makes tasks of these endpoints wait.
    func begin(_ endpoints: Set<EndpointName>, in scope: Scope) {
        state.withLock { state in
            state.scope = scope
            state.endpoints = endpoints
        }
    }

    /// What the tasks of the endpoint wait for; nil if nothing.
    func scope(of endpoint: EndpointName) -> Scope? {
        state.withLock { $0.endpoints.contains(endpoint) ? $0.scope : nil }
    }

    /// Whether any list must still be read. The owners of its records must stay until then.
    var isPending: Bool { state.withLock { !$0.endpoints.isEmpty } }

    /// The services whose lists must be read.
    var services: Set<ServiceName> { state.withLock { Set($0.endpoints.map(\.service)) } }

    /// The endpoints of the service with waiting tasks, if it is time to read its list.
    func due(of service: ServiceName, at now: Timestamp) -> [EndpointName] {
        state.withLock { state in
            guard state.isTime(for: service, at: now) else { return [] }
            return state.endpoints.filter { $0.service == service }.sorted()
        }
    }

    /// The endpoints of the service with waiting tasks.
    func endpoints(of service: ServiceName) -> [EndpointName] {
        state.withLock { $0.endpoints.filter { $0.service == service }.sorted() }
    }

    /// Whether only tasks of these endpoints wait.
    func isLast(_ endpoints: [EndpointName]) -> Bool { state.withLock { $0.endpoints.isSubset(of: endpoints) } }

    /// When to read the list of the service again; nil if nothing waits for it.
    func next(of service: ServiceName, at now: Timestamp) -> Timestamp? {
        state.withLock { state in
            guard state.endpoints.contains(where: { $0.service == service }) else { return nil }
            return state.isTime(for: service, at: now) ? now : state.notBefore[service]
        }
    }

    /// Postpones the next reading. Returns whether the provider has replied with errors often enough.
    func fail(_ service: ServiceName, isAnswered: Bool, at now: Timestamp) -> Bool {
        state.withLock { state in
            state.notBefore[service] = now + Self.gap
            if isAnswered { state.refusals[service, default: 0] += 1 }
            return state.refusals[service, default: 0] >= Self.mostRefusals
        }
    }

    /// Ends the wait of the tasks of these endpoints.
    func end(_ endpoints: [EndpointName]) { state.withLock { $0.endpoints.subtract(endpoints) } }
}
