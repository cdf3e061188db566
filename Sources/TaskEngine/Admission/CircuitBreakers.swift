import Logging
import ProviderCatalog
import RateLimiting
import Synchronization
import TaskModel
import TaskStore

/// The circuit breakers and pauses of all endpoints, services and accounts.
///
/// Each one concerns all tasks of its endpoint, service or account. They are stored, so that they survive a restart.
final class CircuitBreakers: Sendable {
    private let states: Mutex<[CircuitKey: CircuitState]>
    private let store: TaskStore
    private let backoff: Current<Backoff>
    private let random: EngineRandom
    private let logger: Logger

    init(
        _ stored: [CircuitState], at now: Timestamp, store: TaskStore, backoff: Current<Backoff>, random: EngineRandom,
        logger: Logger
    ) {
        let states = stored.compactMap { state in CircuitKey(state).map { ($0, state.corrected(at: now)) } }
        self.states = Mutex(Dictionary(states) { first, _ in first })
        self.store = store
        self.backoff = backoff
        self.random = random
        self.logger = logger
    }

    /// The state of the circuit; closed if nothing is stored.
    func state(of circuit: CircuitKey) -> CircuitState { states.withLock { $0[circuit] } ?? circuit.closed }

    /// What blocks requests; nil if they may pass.
    func block(_ circuit: CircuitKey, at now: Timestamp) -> SubmissionBlock? {
        // Checked with every submission; most circuits have no state.
        guard let state = states.withLock({ $0[circuit] }) else { return nil }
        if let pause = state.pause { return .paused(circuit, code: pause.code, message: pause.message) }
        guard state.breaker.isOpen(at: now), let until = state.closedUntil else { return nil }
        return .backingOff(circuit, until: until, because: state.lastError)
    }

    /// Whether only one request at a time may pass.
    func isHalfOpen(_ circuit: CircuitKey) -> Bool { state(of: circuit).breaker.isHalfOpen }

    /// Takes circuits that another process has changed; returns whether there are any.
    func take(_ stored: [CircuitState]) -> Bool {
        states.withLock { states in
            var isChanged = false
            for state in stored {
                guard let circuit = CircuitKey(state), state.revision > states[circuit]?.revision ?? 0 else { continue }
                states[circuit] = state
                isChanged = true
            }
            return isChanged
        }
    }

    /// Replaces all states by those of a server that has taken over. It may have lost later revisions.
    func replaceAll(by stored: [CircuitState]) {
        let known = stored.compactMap { state in CircuitKey(state).map { ($0, state) } }
        states.withLock { $0 = Dictionary(known) { first, _ in first } }
    }

    /// Closes the circuit after a success.
    func succeeded(_ circuit: CircuitKey, at now: Timestamp) async {
        let breaker = state(of: circuit).breaker
        guard breaker.failures > 0, !breaker.isOpen(at: now) else { return }
        await changeOrLog(circuit) { $0.breaker.succeeded(at: now) }
    }

    /// Opens the circuit after a failure; the first `tolerated` in a row only count.
    func failed(
        _ circuit: CircuitKey, because failure: TaskFailure, retryAfter: Duration? = nil, tolerated: Int = 0,
        at now: Timestamp
    ) async {
        await changeOrLog(circuit) { [random, backoff] state in
            state.lastError = failure
            state.lastErrorAt = now
            state.breaker = random.draw { [breaker = state.breaker] generator in
                var breaker = breaker
                breaker.failed(
                    at: now, retryAfter: retryAfter, tolerated: tolerated, backoff: backoff.wrappedValue,
                    using: &generator)
                return breaker
            }
        }
    }

    /// Moves the end of all open circuits by a jump of the wall clock.
    func move(by jump: Duration) async {
        for circuit in circuits(where: { $0.closedUntil != nil }) {
            await changeOrLog(circuit) { state in
                state.breaker.move(by: jump)
                state.lastErrorAt = state.lastErrorAt.map { $0 + jump }
            }
        }
    }

    /// When the last open circuit may close; nil if none is open.
    func lastOpening(after now: Timestamp) -> Timestamp? {
        states.withLock { states in states.values.compactMap(\.closedUntil).filter { $0 > now }.max() }
    }

    /// Shortens circuits that a clock that was ahead opened for too long.
    func correct(at now: Timestamp) async {
        for circuit in circuits(where: { $0.corrected(at: now) != $0 }) {
            await changeOrLog(circuit) { $0 = $0.corrected(at: now) }
        }
    }

    /// The circuits that are open, or paused after an error.
    func blocked(at now: Timestamp) -> [CircuitKey] {
        circuits { state in state.pause.map { !$0.isByHand } ?? state.breaker.isOpen(at: now) }
    }

    private func circuits(where isChosen: (CircuitState) -> Bool) -> [CircuitKey] {
        states.withLock { states in states.filter { isChosen($0.value) }.map(\.key) }
    }

    // MARK: Pauses

    /// Blocks all requests until ``resume(_:)``. The pause applies at once; an error means that a restart loses it.
    func pause(_ circuit: CircuitKey, _ pause: CircuitState.Pause, at now: Timestamp) async throws(TaskStoreError) {
        try await change(circuit) { state in
            state.pause = pause
            state.lastErrorAt = pause.isByHand ? state.lastErrorAt : now
        }
    }

    /// Pauses a circuit whose requests are all refused, and logs once how to resume it.
    func suspend(_ circuit: CircuitKey, because failure: TaskFailure, at now: Timestamp) async {
        let isNew = state(of: circuit).pause == nil
        do throws(TaskStoreError) {
            try await pause(circuit, CircuitState.Pause(code: failure.code, message: failure.message), at: now)
        } catch {
            logger.error("The pause of the \(circuit) holds, but could not be stored: \(error.message)")
        }
        guard isNew else { return }
        let command =
            if case .endpoint(let endpoint) = circuit { "`pollux resume \(endpoint)`" } else {
                "`pollux resume` any of its endpoints"
            }
        let why = ["\(failure.code): \(failure.message)", failure.hint].compactMap(\.self).joined(separator: " ")
        logger.critical(
            """
            Submissions to the \(circuit) are paused: \(why) Queued tasks are safe. Remove the cause, then \(command).
            """, metadata: [LogField.code: "\(failure.code)"])
    }

    /// Ends a pause and clears the failures.
    func resume(_ circuit: CircuitKey) async throws(TaskStoreError) {
        try await change(circuit) { state in
            state.pause = nil
            state.breaker = CircuitBreaker()
        }
    }

    /// Ends every pause.
    func resumeAll() async throws(TaskStoreError) {
        for circuit in circuits(where: { $0.pause != nil }) { try await resume(circuit) }
    }

    // MARK: Changes

    private func changeOrLog(
        _ circuit: CircuitKey, _ body: @escaping @Sendable (inout CircuitState) -> Void
    ) async {
        do throws(TaskStoreError) {
            try await change(circuit, body)
        } catch {
            logger.error("Could not store the circuit breaker of the \(circuit): \(error.message)")
        }
    }

    /// Changes the state in memory, then on disk. The revision prevents an older state from replacing a newer one
    /// there.
    ///
    /// If the write fails, the change holds until a restart. In a shared store it holds until another one is written.
    private func change(
        _ circuit: CircuitKey, _ body: @escaping @Sendable (inout CircuitState) -> Void
    ) async throws(TaskStoreError) {
        if store.leaseTerm != nil {
            // Another process may have changed another part of it, so the change is made to what is stored.
            states.withLock { body(&$0[circuit, default: circuit.closed]) }
            _ = take([try await store.change(circuit.closed, body)])
            return
        }
        let changed = states.withLock { states in
            var state = states[circuit] ?? circuit.closed
            body(&state)
            state.revision += 1
            states[circuit] = state
            return state
        }
        try await store.save(changed)
    }
}

extension CircuitState.Pause {
    /// A person's pause.
    static let byHand = CircuitState.Pause(code: "paused", message: "paused by hand")

    fileprivate var isByHand: Bool { code == Self.byHand.code }
}

extension CircuitState {
    /// The part that follows the rules of ``CircuitBreaker``.
    fileprivate var breaker: CircuitBreaker {
        get { CircuitBreaker(failures: failures, openUntil: closedUntil) }
        set {
            failures = newValue.failures
            closedUntil = newValue.openUntil
        }
    }

    /// The state without the effect of a clock that was ahead: a last error in the future shows one.
    ///
    /// The circuit then stays open for as long as it would have from now.
    fileprivate func corrected(at now: Timestamp) -> CircuitState {
        guard let lastErrorAt, lastErrorAt > now else { return self }
        var state = self
        state.closedUntil = closedUntil.map { $0 - (lastErrorAt - now) }
        state.lastErrorAt = now
        return state
    }
}
