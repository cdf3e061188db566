import Synchronization
package import TaskStore

/// EventStream is one client's way through the log: first the stored lines, then each new one after its commit.
///
/// For one caller at a time.
package final class EventStream: Sendable {
    /// What the client gets next.
    package enum Item: Sendable {
        case lines([StreamLine])
        /// All stored lines were given; the next ones are new.
        case caughtUp
        /// Lines may be missing between those before and those that follow.
        case reset(Reset)
        /// Nothing has come for a while.
        case silence
    }

    /// Why lines may be missing, and the log as it is. What follows begins after ``newest``.
    package struct Reset: Sendable, Hashable {
        package enum Reason: String, Sendable {
            /// The place is of another database.
            case unknownEpoch = "unknown_epoch"
            /// Lines behind the place were removed.
            case pruned
            /// The place is from before the database was put back from a copy.
            case restored
        }

        package let reason: Reason
        package let oldest: Int64
        package let newest: Int64
    }

    private struct Progress {
        var epoch = ""
        var reset: Reset?
        var hasCaughtUp = false
        /// Lines that were removed up to here are no news.
        var knownRemovals: Int64 = 0
    }

    private let id: Int
    private let filter: EventFilter
    private let streams: EventStreams
    private let progress = Mutex(Progress())

    init(id: Int, filter: EventFilter, streams: EventStreams) {
        self.id = id
        self.filter = filter
        self.streams = streams
    }

    deinit { streams.remove(id) }

    /// Goes to the place where the stream begins.
    func begin(at start: EventStreams.Start, epoch: LogEpoch) async throws(TaskStoreError) {
        let (bounds, oldest) = try await streams.store.log.bounds()
        let (place, reason): (Int64, Reset.Reason?) =
            switch start {
            case .now: (bounds.newest, nil)
            case .oldest: (0, nil)
            case .after(epoch.name, let sequence) where sequence > bounds.newest: (bounds.newest, .restored)
            case .after(epoch.name, let sequence) where sequence < bounds.removedUpTo: (bounds.newest, .pruned)
            case .after(epoch.name, let sequence): (sequence, nil)
            case .after(let name, _): (bounds.newest, epoch.former.contains(name) ? .restored : .unknownEpoch)
            }
        progress.withLock { progress in
            progress.epoch = epoch.name
            progress.knownRemovals = bounds.removedUpTo
            progress.reset = reason.map { Reset($0, bounds, oldest: oldest) }
        }
        streams.change(id) { $0.position = place }
    }

    /// The epoch of the log, which stays the same as long as the daemon runs.
    package var epoch: String { progress.withLock { $0.epoch } }

    /// The place up to which the client has everything that it asked for.
    package var position: Int64 {
        var position: Int64 = 0
        streams.change(id) { position = $0.position }
        return position
    }

    /// What comes next; nil once the stream has ended.
    package func next() async throws(TaskStoreError) -> Item? {
        if let reset = progress.withLock({ $0.reset.take() }) { return .reset(reset) }
        while true {
            switch streams.work(of: id) {
            case .end: return nil
            case .write(let lines): return .lines(lines)
            case .breakSilence: return .silence
            case .readTable(let place):
                if let item = try await readTable(after: place) { return item }
            case .wait:
                if progress.withLock({ !$0.hasCaughtUp }) {
                    progress.withLock { $0.hasCaughtUp = true }
                    return .caughtUp
                }
                await streams.wait(id)
            }
        }
    }

    /// A page of stored lines; nil for an empty one.
    private func readTable(after place: Int64) async throws(TaskStoreError) -> Item? {
        let page = try await streams.store.log.page(matching: filter, after: place, limit: StreamReader.linesAtOnce)
        let removed = page.bounds.removedUpTo
        if removed > max(place, progress.withLock({ $0.knownRemovals })) {
            let (bounds, oldest) = try await streams.store.log.bounds()
            progress.withLock { $0.knownRemovals = bounds.removedUpTo }
            streams.change(id) { $0.noteTable(readThrough: bounds.newest, isWhole: true) }
            return .reset(Reset(.pruned, bounds, oldest: oldest))
        }
        streams.change(id) { $0.noteTable(readThrough: page.through, isWhole: page.isLast) }
        return page.lines.isEmpty ? nil : .lines(page.lines.map { StreamLine($0) })
    }

    /// Ends the stream; ``next()`` returns nil.
    package func end() { streams.end(id) }

    // MARK: Writing

    /// Has the closure called, which breaks the connection, if the client takes nothing for too long.
    package func onStall(_ body: @escaping @Sendable () -> Void) { streams.change(id) { $0.onStall = body } }

    /// Notes that a write begins.
    package func beginWrite() {
        let now = streams.elapsed()
        streams.change(id) { $0.writingSince = now }
    }

    /// Notes that the client has taken everything.
    package func endWrite() {
        let now = streams.elapsed()
        streams.change(id) { reader in
            reader.writingSince = nil
            reader.wroteAt = now
            reader.isSilent = false
        }
    }
}

extension EventStream.Reset {
    fileprivate init(_ reason: Reason, _ bounds: LogBounds, oldest: Int64?) {
        self.init(reason: reason, oldest: oldest ?? bounds.newest, newest: bounds.newest)
    }
}
