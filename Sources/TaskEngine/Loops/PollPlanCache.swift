import Synchronization
import TaskModel

/// What the poll loop has found out about services, so that it need not read their tasks again each time it looks.
///
/// Hints only: a plan is forgotten with every change of the service's tasks, and thrown away when its time is over.
final class PollPlanCache: Sendable {
    /// What a look at a service's tasks has shown.
    struct Plan: Sendable {
        /// What could be asked now.
        var batches: [PollBatch] = []
        /// When there may be more; nil where only a change tells.
        var next: Timestamp?
    }

    private struct Entry {
        var plan: Plan
        let validUntil: Timestamp
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// Grows with every change, so that a plan made from what was read before it is not kept.
        var changes: [String: Int] = [:]
        /// How often everything has changed at once.
        var globalVersion = 0
        var services: Services?

        func version(of service: String) -> Int { (changes[service] ?? 0) + globalVersion }
        var version: Int { changes.values.reduce(globalVersion, +) }
    }

    /// Services that may have running tasks.
    private struct Services {
        var names: Set<String>
        let readAt: Timestamp
    }

    private let state = Mutex(State())

    /// How long batches that cannot go for want of budget are kept, whose tasks may have been cancelled meanwhile.
    private static let lifetime = Duration.seconds(1)

    /// The services that may have running tasks; nil where they have to be read.
    func services(at now: Timestamp) -> [String]? {
        state.withLock { state in
            guard let services = state.services, services.readAt <= now, now < services.readAt + Self.lifetime else {
                return nil
            }
            return services.names.sorted()
        }
    }

    /// To be asked before the services are read, and handed to ``keep(services:at:version:)``.
    var version: Int { state.withLock { $0.version } }

    /// Keeps them for as long as batches; one with a change is one of them from then on.
    func keep(services: [String], at now: Timestamp, version: Int) {
        state.withLock { state in
            guard state.version == version else { return }
            state.services = Services(names: Set(services), readAt: now)
        }
    }

    /// The plan of a service that still holds; nil where its tasks have to be looked at.
    func plan(of service: String, at now: Timestamp) -> Plan? {
        state.withLock { state in
            guard let entry = state.entries[service], now < entry.validUntil else { return nil }
            return entry.plan
        }
    }

    /// To be asked before the tasks are read, and handed to ``keep(_:of:at:version:)``.
    func version(of service: String) -> Int { state.withLock { $0.version(of: service) } }

    /// Keeps a plan until its time comes or something changes.
    func keep(_ plan: Plan, of service: String, at now: Timestamp, version: Int) {
        state.withLock { state in
            guard state.version(of: service) == version else { return }
            // Never past its own next look: a kept plan that says "come back now" would be asked for again at once.
            let longest = plan.batches.isEmpty ? now + .seconds(60) : now + Self.lifetime
            state.entries[service] = Entry(plan: plan, validUntil: min(longest, plan.next ?? longest))
        }
    }

    /// One of the batches is under way; the others still hold, unless it was one of many tasks, whose neighbours may now
    /// share another.
    func begin(_ batch: PollBatch) {
        guard let task = batch.tasks.first, batch.tasks.count == 1 else { return forget(batch.service) }
        state.withLock { state in
            guard var entry = state.entries[batch.service] else { return }
            entry.plan.batches.removeAll { $0.tasks.first?.id == task.id }
            // Nobody knows what comes behind the last of them.
            state.entries[batch.service] = entry.plan.batches.isEmpty ? nil : entry
        }
    }

    /// The query of one of the batches is over: its tasks wait again, perhaps for less long than the plan says. Where there
    /// are batches left to begin with, they hold all the same, for the second that they are kept.
    func end(_ batch: PollBatch) {
        let hasBatches = state.withLock { !($0.entries[batch.service]?.plan.batches.isEmpty ?? true) }
        if batch.tasks.count > 1 || !hasBatches { forget(batch.service) }
    }

    /// Something about the service's tasks has changed.
    func forget(_ service: String) {
        state.withLock { state in
            state.entries[service] = nil
            state.changes[service, default: 0] += 1
            state.services?.names.insert(service)
        }
    }

    /// Everything has changed: the clock was set.
    func forgetAll() {
        state.withLock { state in
            state.entries = [:]
            state.services = nil
            state.globalVersion += 1
        }
    }
}
