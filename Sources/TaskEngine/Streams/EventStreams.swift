import Synchronization
package import TaskModel
package import TaskStore
import VerbatimJSON

/// Why no stream was opened.
package enum EventStreamRefusal: Error {
    /// The maximum number of streams is open.
    case tooMany
    /// The daemon is stopping.
    case stopping
    case store(TaskStoreError)
}

/// Holds the readers of the log for client streams, and wakes each after the commits that concern it.
///
/// Readers at the end of the log share one ring of lines; all others read the table. No lines are queued per client.
package final class EventStreams: Sendable {
    /// Where a stream begins.
    package enum Start: Sendable, Hashable {
        /// With the next new line.
        case now
        /// With the oldest line that the log still has.
        case oldest
        /// With the line after that one.
        case after(epoch: String, sequence: Int64)
    }

    private struct State {
        var ring = EventRing()
        var readers: [Int: StreamReader] = [:]
        var index = ReaderIndex()
        var nextID = 0
        var isClosing = false

        /// Makes readers before that place read the table. Returns the ids of all readers.
        mutating func noteGap(upTo sequence: Int64, after newest: Int64?) -> [Int] {
            for id in readers.keys { readers[id]?.noteGap(upTo: sequence, after: newest) }
            return Array(readers.keys)
        }
    }

    /// The longest time without a message to a client.
    package static let mostSilence = Duration.seconds(15)
    /// The longest write. A client that takes nothing for longer is disconnected.
    package static let longestWrite = Duration.seconds(30)

    private let state = Mutex(State())
    let store: TaskStore
    private let random: EngineRandom
    private let time: any TimeSource

    init(store: TaskStore, random: EngineRandom, time: any TimeSource) {
        self.store = store
        self.random = random
        self.time = time
    }

    /// The number of open streams.
    package var count: Int { state.withLock { $0.readers.count } }

    /// Opens a stream of the lines that the filter selects, only of those `tasks` if there are any. At most `limit` are
    /// open. The stream ends with the object.
    package func open(
        _ filter: TaskFilter, of tasks: Set<TaskID>, from start: Start, limit: Int
    ) async throws(EventStreamRefusal) -> EventStream {
        var selection = EventFilter()
        selection.tasks = tasks
        selection.endpoints = Set(filter.endpoints)
        selection.states = Set(filter.states)
        selection.labels = filter.labels
        return try await open(selection, from: start, limit: limit)
    }

    func open(
        _ filter: EventFilter, from start: Start, limit: Int
    ) async throws(EventStreamRefusal) -> EventStream {
        // It is registered before the log is read, so no line is missed between the table and the ring.
        let stream = try register(filter, limit: limit)
        do throws(TaskStoreError) {
            try await stream.begin(at: start, epoch: try await store.logEpoch(orNew: random.epoch()))
        } catch {
            throw .store(error)
        }
        return stream
    }

    private func register(_ filter: EventFilter, limit: Int) throws(EventStreamRefusal) -> EventStream {
        let now = time.elapsed()
        let id = state.withLock { state -> Result<Int, EventStreamRefusal> in
            if state.isClosing { return .failure(.stopping) }
            guard state.readers.count < limit else { return .failure(.tooMany) }
            state.nextID += 1
            state.readers[state.nextID] = StreamReader(filter, at: now)
            state.index.add(state.nextID, filter)
            return .success(state.nextID)
        }
        return EventStream(id: try id.get(), filter: filter, streams: self)
    }

    func remove(_ id: Int) {
        state.withLock { state in
            guard let reader = state.readers.removeValue(forKey: id) else { return }
            state.index.remove(id, reader.filter)
            if state.readers.isEmpty { state.ring = EventRing() }
        }
    }

    // MARK: The log

    /// Publishes a change that is on disk. Changes arrive in log order.
    func publish(_ change: CommittedChange) {
        wake { state in
            guard !state.readers.isEmpty else { return [] }
            let (sequence, newest) = (change.event.sequence, state.ring.newest)
            // The ring holds no long details, to limit memory; the table has them.
            let isShort = change.entry.detail.isEmpty || !JSONValue.object(change.entry.detail).isLong
            if !isShort { state.ring.removeAll() }
            var concerned: [Int] = []
            if !isShort || !state.ring.append(StreamLine(change)) {
                concerned = state.noteGap(upTo: isShort ? sequence - 1 : sequence, after: newest)
            }
            for id in state.index.candidates(for: change) where state.readers[id]?.filter.matches(change) == true {
                state.readers[id]?.note(sequence)
                concerned.append(id)
            }
            return concerned
        }
    }

    /// Makes all readers read the table, because the log may have lines that were not published.
    func invalidate() {
        wake { state in
            let newest = state.ring.newest
            state.ring.removeAll()
            return state.noteGap(upTo: .max, after: newest)
        }
    }

    /// Ends all streams because the daemon is stopping.
    package func close() {
        state.withLock { $0.isClosing = true }
        endAll()
    }

    /// Ends all streams. Clients that come back to a log with another epoch get a reset.
    func endAll() {
        wake { state in
            for id in state.readers.keys { state.readers[id]?.hasEnded = true }
            return Array(state.readers.keys)
        }
    }

    /// Ends a stream.
    func end(_ id: Int) {
        wake { state in
            state.readers[id]?.hasEnded = true
            return [id]
        }
    }

    /// Breaks connections whose clients take nothing, and sends a keep-alive to the silent ones. Call it every few
    /// seconds.
    package func check() {
        let now = time.elapsed()
        var stalled: [@Sendable () -> Void] = []
        wake { state in
            var silent: [Int] = []
            for (id, reader) in state.readers {
                if let since = reader.writingSince {
                    guard now - since >= Self.longestWrite else { continue }
                    state.readers[id]?.hasEnded = true
                    if let onStall = reader.onStall { stalled.append(onStall) }
                } else if now - reader.wroteAt >= Self.mostSilence {
                    state.readers[id]?.isSilent = true
                    silent.append(id)
                }
            }
            return silent
        }
        for stall in stalled { stall() }
    }

    /// Changes readers, then wakes those that the closure returns, if they have work.
    private func wake(_ change: (inout State) -> [Int]) {
        let waiters = state.withLock { state in
            change(&state).compactMap { id -> CheckedContinuation<Void, Never>? in
                guard state.readers[id]?.hasWork(with: state.ring) == true else { return nil }
                return state.readers[id]?.waiter.take()
            }
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: One stream

    /// The next piece of work of the stream.
    func work(of id: Int) -> StreamReader.Work {
        state.withLock { state in
            let ring = state.ring
            return state.readers[id]?.work(with: ring) ?? .end
        }
    }

    /// Changes the reader of an open stream.
    func change(_ id: Int, _ body: (inout StreamReader) -> Void) {
        state.withLock { state in
            guard let place = state.readers.index(forKey: id) else { return }
            body(&state.readers.values[place])
        }
    }

    /// Waits until the stream has work. Cancelling the task ends the stream.
    func wait(_ id: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard state.readers[id]?.hasWork(with: state.ring) == false else { return false }
                    state.readers[id]?.waiter = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            end(id)
        }
    }

    func elapsed() -> Duration { time.elapsed() }
}
