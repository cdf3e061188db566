import Synchronization
package import TaskModel
import VerbatimJSON

/// A task after a change, with the log line of the change.
package struct CommittedChange: Sendable {
    package let task: TrackedTask
    package let event: StoredEvent
    /// What the commit has added to the cost of the task. Each amount is in one change only.
    package let spent: [Amount]

    package init(task: TrackedTask, event: StoredEvent, spent: [Amount] = []) {
        self.task = task
        self.event = event
        self.spent = spent
    }

    package var entry: TaskLogEntry { event.entry }
    /// Whether the change ended the task.
    package var isEnd: Bool { entry.to.hasEnded && entry.from != entry.to }
}

/// One line of the whole log.
package enum LoggedEvent: Sendable, Hashable {
    /// About a task.
    case task(StoredEvent)
    /// About the daemon as a whole.
    case daemon(DaemonEvent, sequence: Int64)
    /// Lines up to this place were removed, and the reader has not seen all of them. The reader must read the tasks
    /// themselves, then the log after this place.
    case pruned(upTo: Int64)

    /// The sequence number, in commit order.
    package var sequence: Int64 {
        switch self {
        case .task(let event): event.sequence
        case .daemon(_, let sequence), .pruned(let sequence): sequence
        }
    }
}

/// The output of every commit: the append-only log in the database and its subscribers.
///
/// The table is the truth. Subscribers in the process run after the commit and before the committing call returns, in
/// log order. In a store that several processes write to, they get the changes of all processes, in log order, once
/// ``follow()`` has read them. A commit may then return a moment before its own change is delivered.
package final class EventLog: Sendable {
    /// Receives a change that is on disk. It runs on the thread of a caller and must not call the store.
    package typealias Subscriber = @Sendable (CommittedChange) -> Void

    private struct Queue {
        /// Our committed changes that are not delivered yet.
        var changes: [LineMerger.Delivery] = []
        /// Orders them among those of other processes; nil if there are none.
        var merger: LineMerger?
        var latestStart: Int64 = 0
    }

    private let driver: any StoreDriver
    private let queue = Mutex(Queue())
    /// The lock is held during delivery.
    private let subscribers = Mutex<[(authors: Set<ChangeAuthor>, subscriber: Subscriber)]>([])
    /// Why the caller that reads the log has to look once more; nil while none reads it.
    private let looks = Mutex<Set<Look>?>(nil)
    private let hints = Mutex<(next: Int, byID: [Int: AsyncStream<Void>.Continuation])>((0, [:]))

    init(_ driver: any StoreDriver) {
        self.driver = driver
    }

    /// The place of the newest start of an attempt that this process has committed; 0 if there is none.
    var latestStart: Int64 { queue.withLock { $0.latestStart } }

    /// Calls the subscriber with every later change, as long as the store exists.
    package func subscribe(_ subscriber: @escaping Subscriber) { subscribe(to: [.us, .others], subscriber) }

    /// Calls the subscriber with every later change that this process commits.
    package func subscribeToOurs(_ subscriber: @escaping Subscriber) { subscribe(to: [.us, .usAfterAll], subscriber) }

    /// Calls the subscriber with every later change that another process commits.
    package func subscribeToOthers(_ subscriber: @escaping Subscriber) { subscribe(to: [.others], subscriber) }

    private func subscribe(to authors: Set<ChangeAuthor>, _ subscriber: @escaping Subscriber) {
        subscribers.withLock { $0.append((authors, subscriber)) }
    }

    // MARK: Changes of other processes

    /// Begins to deliver the changes of other processes, with the first one from now on.
    package func beginFollowing() async throws(TaskStoreError) {
        let end = try await bounds().0.newest
        queue.withLock { $0.merger = LineMerger(after: end) }
    }

    /// Reads what other processes have committed since the last call, and delivers it. Returns early if another caller reads
    /// it, which then looks once more.
    package func follow() async throws(TaskStoreError) { try await look(for: .linesOfOthers) }

    /// Why the log is read.
    private enum Look { case linesOfOthers, linesBeforeOurs }

    /// Reads the log, unless another caller does: then that one looks once more if it has to. What is still missing after that
    /// is read with the next commit or the next look, a second later at most.
    private func look(for reason: Look) async throws(TaskStoreError) {
        let isFirst = looks.withLock { looks in
            guard looks != nil else {
                looks = []
                return true
            }
            looks?.insert(reason)
            return false
        }
        guard isFirst else { return }
        // Twice at most: with many writers there would always be another line, and the caller waits for this.
        defer { looks.withLock { $0 = nil } }
        try await readOthers()
        let reasons = looks.withLock { $0 ?? [] }
        if reasons.contains(.linesOfOthers) || hasGap { try await readOthers() }
    }

    /// Whether our lines wait for lines of others before them.
    private var hasGap: Bool { queue.withLock { $0.merger?.hasGap ?? false } }

    private func readOthers() async throws(TaskStoreError) {
        while let place = queue.withLock({ $0.merger?.position }) {
            let page = try await page(matching: EventFilter(), after: place, limit: Self.linesPerLook)
            deliver { queue in queue.changes += queue.merger?.take(page) ?? [] }
            if page.through > place { wake() }
            if page.isLast { return }
        }
    }

    private static let linesPerLook = 256

    /// Delivers our changes. If lines of others come before them, those are read first, by one caller for all.
    func deliverOurs() async {
        deliver()
        // If that fails, the next look delivers them.
        if hasGap { try? await look(for: .linesBeforeOurs) }
    }

    /// A page of the log after the sequence number, oldest first: every line that is still there. It begins with
    /// ``LoggedEvent/pruned(upTo:)`` if lines between that number and the first of the page may have been removed.
    package func read(after sequence: Int64, limit: Int) async throws(TaskStoreError) -> [LoggedEvent] {
        try await driver.read(for: .read("log"), .page) { rows in
            let removed = try rows.removedUpTo()
            let lines = try rows.events(of: nil, after: sequence, limit: limit).map { try LoggedEvent($0) }
            // Older lines than the last removed one may well be there: each is removed for itself.
            let gap = min(removed, lines.first.map { $0.sequence - 1 } ?? removed)
            return gap > sequence ? [.pruned(upTo: gap)] + lines : lines
        }
    }

    /// A page of the lines after the sequence number that the filter selects, each with its task.
    /// Each page is a bounded part of the log, so a page may be empty although it is not the last one.
    package func page(
        matching filter: EventFilter, after sequence: Int64, limit: Int
    ) async throws(TaskStoreError) -> LogPage {
        try await driver.read(for: .read("logPage"), .page) { rows in
            let bounds = try LogBounds(rows)
            // An index finds the lines of single tasks.
            let end =
                filter.tasks.isEmpty
                ? min(try rows.lastPlaceWithoutLine(after: sequence, bounds) + Self.mostLinesLookedAt, bounds.newest)
                : bounds.newest
            guard end > sequence else { return LogPage(lines: [], through: sequence, bounds: bounds) }
            let found = try rows.lines(
                matching: filter, after: sequence, through: end, limit: limit, maxBytes: Self.mostBytesPerPage)
            let bytes = found.reduce(0) { $0 + $1.line.detail.utf8.count }
            let isCut = found.count >= limit || bytes > Self.mostBytesPerPage
            return LogPage(
                lines: try found.compactMap { try CommittedChange($0) },
                through: isCut ? found.last?.line.sequence ?? end : end, bounds: bounds)
        }
    }

    /// The bounds of the log, and the place of its oldest line; nil if it has no lines.
    package func bounds() async throws(TaskStoreError) -> (LogBounds, oldest: Int64?) {
        try await driver.read(for: .read("logBounds"), .page) { rows in
            (try LogBounds(rows), try rows.events(of: nil, after: 0, limit: 1).first?.sequence)
        }
    }

    fileprivate static let mostLinesLookedAt: Int64 = 8_192
    /// The page is limited because a detail may be a whole record.
    private static let mostBytesPerPage = 1 << 20

    /// Every line after the sequence number: first the stored ones, then new ones.
    ///
    /// Ends when its task is cancelled. Throws if the log cannot be read; subscribe again after the last received line.
    package func subscribe(after sequence: Int64) -> Subscription { Subscription(log: self, after: sequence) }

    /// Makes subscriptions read the log again, for example after a commit with an unknown outcome.
    package func wake() { for hint in hints.withLock({ $0.byID.values.map { $0 } }) { hint.yield() } }

    /// Queues the changes of a commit, in the order of the log. The places are those of all its lines.
    func enqueue(_ changes: [CommittedChange], at places: [Int64]) {
        guard !places.isEmpty else { return }
        let start = changes.last { $0.entry.kind == TaskEvent.submissionStarted().kind }?.event.sequence
        queue.withLock { queue in
            queue.changes +=
                queue.merger?.take(places, changes) ?? changes.map { LineMerger.Delivery(change: $0, author: .us) }
            queue.latestStart = start ?? queue.latestStart
        }
    }

    /// Returns once every change that was queued before has been delivered, by this caller or another. `adding` queues more,
    /// while no other caller delivers.
    private func deliver(adding: (inout Queue) -> Void = { _ in }) {
        subscribers.withLock { subscribers in
            queue.withLock { adding(&$0) }
            while true {
                let changes = queue.withLock { queue in
                    defer { queue.changes = [] }
                    return queue.changes
                }
                guard !changes.isEmpty else { return }
                for delivery in changes {
                    for (authors, subscriber) in subscribers where authors.contains(delivery.author) {
                        subscriber(delivery.change)
                    }
                }
            }
        }
    }

    /// An endless sequence of the lines after a sequence number.
    package struct Subscription: AsyncSequence, Sendable {
        package typealias Element = LoggedEvent
        package typealias Failure = TaskStoreError

        fileprivate let log: EventLog
        fileprivate let after: Int64

        package func makeAsyncIterator() -> Iterator { Iterator(log: log, after: after) }

        /// Reads page after page and waits for a hint at the end of the log.
        package struct Iterator: AsyncIteratorProtocol {
            private let log: EventLog
            private var last: Int64
            private var page: ArraySlice<LoggedEvent> = []
            private let hint: Hint

            /// Lines per page.
            private static let pageSize = 256

            fileprivate init(log: EventLog, after sequence: Int64) {
                self.log = log
                last = sequence
                hint = Hint(of: log)
            }

            package mutating func next() async throws(TaskStoreError) -> LoggedEvent? {
                while page.isEmpty {
                    guard !Task.isCancelled else { return nil }
                    page = try await log.read(after: last, limit: Self.pageSize)[...]
                    if page.isEmpty, await !hint.wait() { return nil }
                }
                let event = page.removeFirst()
                last = event.sequence
                return event
            }

            package mutating func next(
                isolation actor: isolated (any Actor)?
            ) async throws(TaskStoreError) -> LoggedEvent? {
                try await next()
            }
        }
    }

    /// The registration of one subscription for wake-ups; it ends with this object.
    fileprivate final class Hint: Sendable {
        private let log: EventLog
        private let id: Int
        private let stream: AsyncStream<Void>

        init(of log: EventLog) {
            self.log = log
            // The buffer keeps one hint, so a line that is committed between a read and the wait is not missed.
            let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
            self.stream = stream
            id = log.hints.withLock { hints in
                hints.next += 1
                hints.byID[hints.next] = continuation
                return hints.next
            }
        }

        /// Waits for the next hint; false if the task was cancelled.
        func wait() async -> Bool {
            var iterator = stream.makeAsyncIterator()
            return await iterator.next() != nil
        }

        deinit { log.hints.withLock { _ = $0.byID.removeValue(forKey: id) } }
    }
}

extension LoggedEvent {
    fileprivate init(_ row: LogRow) throws(TaskStoreError) {
        guard let task = row.task else {
            self = .daemon(DaemonEvent(at: row.at, kind: row.kind, detail: try row.object), sequence: row.sequence)
            return
        }
        self = .task(try StoredEvent(row, of: task))
    }
}

extension CommittedChange {
    /// Nil for a line about no task.
    fileprivate init?(_ row: TaskLine) throws(TaskStoreError) {
        guard let id = row.line.task else { return nil }
        self.init(task: row.task, event: try StoredEvent(row.line, of: id))
    }
}

extension StoreSnapshot {
    /// The place before the next line after that one. Where another server took over, millions of places have no line.
    fileprivate func lastPlaceWithoutLine(after sequence: Int64, _ bounds: LogBounds) throws -> Int64 {
        guard bounds.newest - sequence > EventLog.mostLinesLookedAt else { return sequence }
        return try events(of: nil, after: sequence, limit: 1).first.map { $0.sequence - 1 } ?? bounds.newest
    }
}

extension LogBounds {
    fileprivate init(_ rows: any StoreSnapshot) throws {
        self.init(removedUpTo: try rows.removedUpTo(), newest: try rows.latestEvent().sequence)
    }
}

extension StoreSnapshot {
    /// The place of the last removed line of the log; 0 if none was removed.
    fileprivate func removedUpTo() throws -> Int64 { try meta()[.lastRemovedLine].flatMap { Int64($0) } ?? 0 }
}

extension StoredEvent {
    /// The line as it was stored.
    init(_ row: LogRow, of task: TaskID) throws(TaskStoreError) {
        guard let to = row.to else { throw .damaged("an event cannot be read") }
        let entry = TaskLogEntry(at: row.at, kind: row.kind, from: row.from, to: to, detail: try row.object)
        self.init(sequence: row.sequence, task: task, entry: entry)
    }
}

extension LogRow {
    fileprivate var object: JSONObject {
        get throws(TaskStoreError) { try StoredDocument.read(detail).object ?? JSONObject() }
    }
}
