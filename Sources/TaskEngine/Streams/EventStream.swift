import Synchronization
package import TaskStore

/// Reads the log for one client: first the stored lines, then each new one after its commit.
///
/// Only one caller may use it at a time.
package final class EventStream: Sendable {
    /// The next item for the client.
    package enum Item: Sendable {
        case lines([StreamLine])
        /// All stored lines were returned; the next ones are new.
        case caughtUp
        /// Lines may be missing between the previous and the following ones.
        case reset(Reset)
        /// There was no line for a while.
        case silence
    }

    /// Why lines may be missing, and the bounds of the log. The following lines begin after ``newest``.
    package struct Reset: Sendable, Hashable {
        package enum Reason: String, Sendable {
            /// The place belongs to another database.
            case unknownEpoch = "unknown_epoch"
            /// Lines after the place were removed.
            case pruned
            /// The place is from before the database was restored from a copy.
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
        /// The place up to which removed lines need no report.
        var knownRemovals: Int64 = 0
    }

    let id: Int
    private let filter: EventFilter
    private let streams: EventStreams
    private let progress = Mutex(Progress())

    init(id: Int, filter: EventFilter, streams: EventStreams) {
        self.id = id
        self.filter = filter
        self.streams = streams
    }

    deinit { streams.remove(id) }

    /// Moves to the place where the stream begins.
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

    /// The epoch of the log, which stays the same as long as the stream is open.
    package var epoch: String { progress.withLock { $0.epoch } }

    /// The place up to which the client has all requested lines.
    package var position: Int64 {
        var position: Int64 = 0
        streams.change(id) { position = $0.position }
        return position
    }

    /// The next item; nil once the stream has ended.
    package func next() async throws(TaskStoreError) -> Item? {
        if let reset = progress.withLock({ $0.reset.take() }) { return .reset(reset) }
        while true {
            switch streams.work(of: id) {
            case .end: return nil
            case .write(let lines): return .lines(lines)
            case .breakSilence: return .silence
            case .readTable(let place):
                if let item = try await page(after: place) { return item }
            case .wait:
                if progress.withLock({ !$0.hasCaughtUp }) {
                    progress.withLock { $0.hasCaughtUp = true }
                    return .caughtUp
                }
                await streams.wait(id)
            }
        }
    }

    /// A child task frees its memory at its end. The stream's own task would keep it as long as the client follows.
    private func page(after place: Int64) async throws(TaskStoreError) -> Item? {
        async let page: Result<Item?, TaskStoreError> = {
            do throws(TaskStoreError) { return .success(try await readTable(after: place)) } catch {
                return .failure(error)
            }
        }()
        return try await page.get()
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

    /// Sets the closure that breaks the connection if the client takes nothing for too long.
    package func onStall(_ body: @escaping @Sendable () -> Void) { streams.change(id) { $0.onStall = body } }

    /// Records that a write begins.
    package func beginWrite() {
        let now = streams.elapsed()
        streams.change(id) { $0.writingSince = now }
    }

    /// Records that the client has taken everything.
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
