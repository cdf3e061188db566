import Synchronization
import TaskModel
import TaskStore

/// StartCheck knows which tasks that were queued at the start wait until the provider's list has been read.
///
/// Files that were overwritten by older ones together with their witness, or a machine that was set back, show only in that
/// list: what was queued may have been sent since.
final class StartCheck: Sendable {
    /// The tasks and the time that are in doubt.
    struct Scope: Sendable {
        /// When the daemon is known to have run last.
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
            // A time further ahead comes from a clock that was set back since.
            notBefore[service].map { $0 <= now || $0 - now > StartCheck.gap } ?? true
        }
    }

    private let state = Mutex(State())

    /// How often a provider may answer with an error before the tasks go out unchecked.
    static let mostRefusals = 3
    /// The distance between two tries, so that three take less than a minute.
    static let gap = Duration.seconds(15)

    /// Makes tasks of these endpoints wait.
    func begin(_ endpoints: Set<EndpointName>, in scope: Scope) {
        state.withLock { state in
            state.scope = scope
            state.endpoints = endpoints
        }
    }

    /// What the tasks of the endpoint wait for; nil if they need not.
    func scope(of endpoint: EndpointName) -> Scope? {
        state.withLock { $0.endpoints.contains(endpoint) ? $0.scope : nil }
    }

    /// Whether any list is still to be read. The owners of its records must stay until then.
    var isPending: Bool { state.withLock { !$0.endpoints.isEmpty } }

    /// The services whose lists are to be read.
    var services: Set<ServiceName> { state.withLock { Set($0.endpoints.map(\.service)) } }

    /// The endpoints of the service whose tasks wait, if it is time to read its list.
    func due(of service: ServiceName, at now: Timestamp) -> [EndpointName] {
        state.withLock { state in
            guard state.isTime(for: service, at: now) else { return [] }
            return state.endpoints.filter { $0.service == service }.sorted()
        }
    }

    /// The endpoints of the service whose tasks wait.
    func endpoints(of service: ServiceName) -> [EndpointName] {
        state.withLock { $0.endpoints.filter { $0.service == service }.sorted() }
    }

    /// Whether no other endpoints' tasks wait.
    func isLast(_ endpoints: [EndpointName]) -> Bool { state.withLock { $0.endpoints.isSubset(of: endpoints) } }

    /// When the list of the service is to be read again; nil if nothing waits for it.
    func next(of service: ServiceName, at now: Timestamp) -> Timestamp? {
        state.withLock { state in
            guard state.endpoints.contains(where: { $0.service == service }) else { return nil }
            return state.isTime(for: service, at: now) ? now : state.notBefore[service]
        }
    }

    /// Puts off the next reading. Returns whether the provider has answered with an error often enough.
    func fail(_ service: ServiceName, isAnswered: Bool, at now: Timestamp) -> Bool {
        state.withLock { state in
            state.notBefore[service] = now + Self.gap
            if isAnswered { state.refusals[service, default: 0] += 1 }
            return state.refusals[service, default: 0] >= Self.mostRefusals
        }
    }

    /// Lets the tasks of these endpoints go.
    func end(_ endpoints: [EndpointName]) { state.withLock { $0.endpoints.subtract(endpoints) } }
}
