import Logging
import PollingPolicy
import Synchronization
package import TaskModel
package import TaskStore

/// What holds requests back: pauses, and the time to stay away after failures. Kept in the store over restarts.
///
/// A gate is for all tasks of an endpoint, service or provider at once; no single task is ever slowed by itself.
package final class Gates: Sendable {
    /// Whether requests may pass.
    package enum Passage: Sendable, Hashable {
        case open
        case closed(until: Timestamp, because: TaskFailure?)
        case paused(StoredGate.Pause)
    }

    private struct Key: Hashable {
        let kind: StoredGate.Kind
        let name: String
    }

    private let gates: Mutex<[Key: StoredGate]>
    private let store: TaskStore
    private let backoff: Backoff
    private let random: EngineRandom
    private let logger: Logger

    init(
        _ stored: [StoredGate], at now: Timestamp, store: TaskStore, backoff: Backoff, random: EngineRandom,
        logger: Logger
    ) {
        gates = Mutex(
            Dictionary(uniqueKeysWithValues: stored.map { (Key(kind: $0.kind, name: $0.name), $0.corrected(at: now)) }))
        self.store = store
        self.backoff = backoff
        self.random = random
        self.logger = logger
    }

    /// The gate as it stands; an open one if nothing ever happened there.
    func gate(_ kind: StoredGate.Kind, _ name: String) -> StoredGate {
        gates.withLock { $0[Key(kind: kind, name: name)] } ?? StoredGate(kind: kind, name: name)
    }

    /// Whether requests may pass at that time.
    func passage(_ kind: StoredGate.Kind, _ name: String, at now: Timestamp) -> Passage {
        let gate = gate(kind, name)
        if let pause = gate.pause { return .paused(pause) }
        if let until = gate.closedUntil, until > now { return .closed(until: until, because: gate.lastError) }
        return .open
    }

    /// A request went through: the failures in a row are over.
    ///
    /// Nothing passes a closed gate, so a success that comes while it is closed belongs to a request from before: it
    /// does not shorten the time to stay away.
    func succeeded(_ kind: StoredGate.Kind, _ name: String, at now: Timestamp) async {
        let before = gate(kind, name)
        guard before.failures > 0, before.closedUntil.map({ $0 <= now }) ?? true else { return }
        await changeOrLog(kind, name) { gate in
            gate.failures = 0
            gate.closedUntil = nil
        }
    }

    /// A request failed: the gate closes for a time that grows with the failures in a row.
    ///
    /// The first `tolerated` of them only count, for failures that say more about one request than about the endpoint.
    func failed(
        _ kind: StoredGate.Kind, _ name: String, because failure: TaskFailure, retryAfter: Duration? = nil,
        tolerated: Int = 0, at now: Timestamp
    ) async {
        await changeOrLog(kind, name) { gate in
            gate.lastError = failure
            gate.lastErrorAt = now
            // Several that were under way together are one failure: what closed the gate speaks for all of them.
            if let until = gate.closedUntil, until > now {
                gate.closedUntil = max(until, now + min(retryAfter ?? .zero, .seconds(86_400)))
                return
            }
            gate.failures += 1
            guard gate.failures > tolerated || retryAfter != nil else { return }
            let rank = max(gate.failures - tolerated, 1)
            let until = random.draw { generator in
                backoff.retry(after: rank, at: now, retryAfter: retryAfter, using: &generator)
            }
            gate.closedUntil = max(until, gate.closedUntil ?? until)
        }
    }

    /// Whether only one request may be under way: so many have failed in a row that one has to show first that all is
    /// well again.
    func isHalfOpen(_ kind: StoredGate.Kind, _ name: String) -> Bool {
        gate(kind, name).failures >= Self.failuresUntilOpen
    }

    /// Failures in a row after which the circuit counts as open: with the time to stay away doubling from two seconds,
    /// about a minute of trouble.
    static let failuresUntilOpen = 5

    /// The wall clock was set by so much: no gate is closed for longer or shorter because of that.
    func move(by jump: Duration) async {
        let closed = gates.withLock { gates in gates.values.filter { $0.closedUntil != nil } }
        for gate in closed {
            await changeOrLog(gate.kind, gate.name) { gate in
                gate.closedUntil = gate.closedUntil.map { $0 + jump }
                gate.lastErrorAt = gate.lastErrorAt.map { $0 + jump }
            }
        }
    }

    /// When the last of those that are closed opens; nil where none is.
    func lastOpening(after now: Timestamp) -> Timestamp? {
        gates.withLock { gates in gates.values.compactMap(\.closedUntil).filter { $0 > now }.max() }
    }

    /// What was closed by a clock that was ahead, while that was being noticed, is closed for no longer than it would be.
    func correct(at now: Timestamp) async {
        let ahead = gates.withLock { gates in gates.values.filter { $0.corrected(at: now) != $0 } }
        for gate in ahead {
            await changeOrLog(gate.kind, gate.name) { $0 = $0.corrected(at: now) }
        }
    }

    /// Nothing passes until ``resume(_:_:)``. Holds at once; an error says that it will not survive a restart.
    func pause(
        _ kind: StoredGate.Kind, _ name: String, _ pause: StoredGate.Pause, at now: Timestamp
    ) async throws(TaskStoreError) {
        try await change(kind, name) { gate in
            gate.pause = pause
            gate.lastErrorAt = pause.code == "paused" ? gate.lastErrorAt : now
        }
    }

    /// Lifts a pause and forgets the failures.
    func resume(_ kind: StoredGate.Kind, _ name: String) async throws(TaskStoreError) {
        try await change(kind, name) { gate in
            gate.pause = nil
            gate.failures = 0
            gate.closedUntil = nil
        }
    }

    private func changeOrLog(
        _ kind: StoredGate.Kind, _ name: String, _ body: (inout StoredGate) -> Void
    ) async {
        do throws(TaskStoreError) {
            try await change(kind, name, body)
        } catch {
            logger.error("Could not store the state of \(kind.rawValue) of \(name): \(error.message)")
        }
    }

    /// Changes a gate here, then on disk; the revision keeps an older state from overwriting a newer one there. If the disk
    /// refuses, the gate holds all the same, until a restart.
    private func change(
        _ kind: StoredGate.Kind, _ name: String, _ body: (inout StoredGate) -> Void
    ) async throws(TaskStoreError) {
        let changed = gates.withLock { gates in
            var gate = gates[Key(kind: kind, name: name)] ?? StoredGate(kind: kind, name: name)
            body(&gate)
            gate.revision += 1
            gates[Key(kind: kind, name: name)] = gate
            return gate
        }
        try await store.save(changed)
    }
}

extension StoredGate {
    /// The gate as it should be: where its last error has yet to happen, the clock was ahead and was set back since,
    /// and it stays closed for as long as it would have from then.
    fileprivate func corrected(at now: Timestamp) -> StoredGate {
        guard let lastErrorAt, lastErrorAt > now else { return self }
        var gate = self
        gate.closedUntil = closedUntil.map { $0 - (lastErrorAt - now) }
        gate.lastErrorAt = now
        return gate
    }
}
