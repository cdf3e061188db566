import Synchronization
import TaskModel

/// Caches the poll loop's plans, so that it does not read the tasks of a service again in every claim.
///
/// A change of a task of the service removes its plan; each plan also expires.
final class PollPlanCache: Sendable {
    /// The possible polls of a service.
    struct Plan: Sendable {
        /// The batches that are due now.
        var batches: [PollBatch] = []
        /// When more batches may be due; nil if only a change can cause that.
        var next: Timestamp?
    }

    private struct Entry {
        var plan: Plan
        let validUntil: Timestamp
    }

    private struct State {
        var entries: [AccountService: Entry] = [:]
        /// Grows with every change, so that a plan from an earlier read is not cached.
        var changes: [AccountService: Int] = [:]
        /// Grows when all services change at once.
        var globalVersion = 0
        var services: Services?

        func version(of service: AccountService) -> Int { (changes[service] ?? 0) + globalVersion }
        var version: Int { changes.values.reduce(globalVersion, +) }
    }

    /// Services that may have running tasks, by account.
    private struct Services {
        var names: Set<AccountService>
        let readAt: Timestamp
    }

    private let state = Mutex(State())

    /// How long due batches are cached while the rate limit delays them. Their tasks may be cancelled meanwhile.
    private static let lifetime = Duration.seconds(1)

    /// The services that may have running tasks; nil if they must be read.
    func services(at now: Timestamp) -> [AccountService]? {
        state.withLock { state in
            guard let services = state.services, services.readAt <= now, now < services.readAt + Self.lifetime else {
                return nil
            }
            return services.names.sorted()
        }
    }

    /// Read it before the services, and pass it to ``keep(services:at:version:)``.
    var version: Int { state.withLock { $0.version } }

    /// Caches the services for ``lifetime``. A service with a change is added.
    func keep(services: [AccountService], at now: Timestamp, version: Int) {
        state.withLock { state in
            guard state.version == version else { return }
            state.services = Services(names: Set(services), readAt: now)
        }
    }

    /// The valid plan of a service; nil if its tasks must be read.
    func plan(of service: AccountService, at now: Timestamp) -> Plan? {
        state.withLock { state in
            guard let entry = state.entries[service], now < entry.validUntil else { return nil }
            return entry.plan
        }
    }

    /// Read it before the tasks, and pass it to ``keep(_:of:at:version:)``.
    func version(of service: AccountService) -> Int { state.withLock { $0.version(of: service) } }

    /// Caches a plan until its time comes or a change removes it.
    func keep(_ plan: Plan, of service: AccountService, at now: Timestamp, version: Int) {
        state.withLock { state in
            guard state.version(of: service) == version else { return }
            // Not past its own next due time: a plan for now would otherwise be used again immediately.
            let longest = plan.batches.isEmpty ? now + .seconds(60) : now + Self.lifetime
            state.entries[service] = Entry(plan: plan, validUntil: min(longest, plan.next ?? longest))
        }
    }

    /// Removes a batch that starts. The others stay valid, unless it had several tasks: the rest may be grouped
    /// differently.
    func begin(_ batch: PollBatch) {
        guard let task = batch.tasks.first, batch.tasks.count == 1 else { return forget(batch.service) }
        state.withLock { state in
            guard var entry = state.entries[batch.service] else { return }
            entry.plan.batches.removeAll { $0.tasks.first?.id == task.id }
            // After the last one the tasks must be read again.
            state.entries[batch.service] = entry.plan.batches.isEmpty ? nil : entry
        }
    }

    /// Records the end of a batch, whose tasks may be due before the plan's time.
    ///
    /// A plan with other batches of one task stays until it expires.
    func end(_ batch: PollBatch) {
        let hasBatches = state.withLock { !($0.entries[batch.service]?.plan.batches.isEmpty ?? true) }
        if batch.tasks.count > 1 || !hasBatches { forget(batch.service) }
    }

    /// Removes the plan of a service whose tasks have changed.
    func forget(_ service: AccountService) {
        state.withLock { state in
            state.entries[service] = nil
            state.changes[service, default: 0] += 1
            state.services?.names.insert(service)
        }
    }

    /// Removes all plans, as after a change of the clock.
    func forgetAll() {
        state.withLock { state in
            state.entries = [:]
            state.services = nil
            state.globalVersion += 1
        }
    }
}
