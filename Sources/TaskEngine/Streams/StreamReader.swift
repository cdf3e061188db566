import TaskModel
import TaskStore

/// The position of one stream in the log.
///
/// It queues no lines. ``pending`` has the places of a few; the reader finds all others in the ring or the table.
struct StreamReader {
    let filter: EventFilter
    /// The place up to which everything was read or filtered out.
    var position: Int64 = 0
    /// The places of new lines that the filter selects.
    private(set) var pending: [Int64] = []
    /// Whether the ring may have more lines after ``position``.
    private var mustSearchRing = false
    /// Whether the table may have lines after ``position`` that the ring lacks.
    private(set) var mustReadTable = true
    var hasEnded = false
    /// Whether the client has received nothing for a while.
    var isSilent = false
    /// When the current write began, by the monotonic clock.
    var writingSince: Duration?
    /// When the latest write ended.
    var wroteAt: Duration
    /// The waiting stream.
    var waiter: CheckedContinuation<Void, Never>?
    /// Breaks the connection.
    var onStall: (@Sendable () -> Void)?

    /// The maximum number of pending places. Beyond it the reader searches the ring.
    private static let maxPending = 64
    /// The maximum number of lines that a reader takes at once, so that a slow client holds no more.
    static let linesAtOnce = 32

    init(_ filter: EventFilter, at now: Duration) {
        self.filter = filter
        wroteAt = now
    }

    /// The next piece of work of a stream.
    enum Work {
        case write([StreamLine])
        case readTable(after: Int64)
        /// There is nothing new, and the client needs a keep-alive.
        case breakSilence
        case wait
        case end
    }

    /// Whether it has read everything before the latest change.
    private var isIdle: Bool { pending.isEmpty && !mustSearchRing && !mustReadTable }

    /// Adds a line that the filter selects. One that was read from the table before it was published is not new.
    mutating func note(_ sequence: Int64) {
        guard sequence > position else { return }
        if pending.count < Self.maxPending, !mustSearchRing { pending.append(sequence) } else { mustSearchRing = true }
    }

    /// Records that the ring may lack lines up to that place. `newest` was its latest line.
    mutating func noteGap(upTo sequence: Int64, after newest: Int64?) {
        if isIdle, let newest { position = max(position, newest) }
        if position < sequence { mustReadTable = true }
    }

    /// Records that the table was read up to that place.
    mutating func noteTable(readThrough place: Int64, isWhole: Bool) {
        position = place
        pending = []
        mustReadTable = !isWhole
        // Lines may have been added since the table was read.
        mustSearchRing = true
    }

    /// Whether ``work(with:)`` would return something other than a wait.
    func hasWork(with ring: EventRing) -> Bool {
        hasEnded || mustReadTable || !pending.isEmpty || isSilent || mustSearchRing && ring.newest ?? 0 > position
    }

    /// The next piece of work. Lines that it returns count as read.
    mutating func work(with ring: EventRing) -> Work {
        if hasEnded { return .end }
        if mustReadTable { return .readTable(after: position) }
        if mustSearchRing, let newest = ring.newest, newest > position {
            guard let floor = ring.floor, floor <= position else { return .readTable(after: position) }
            let lines = search(ring, upTo: newest)
            if !lines.isEmpty { return .write(lines) }
        } else if let first = pending.first {
            guard ring[first] != nil else { return .readTable(after: position) }
            let lines = pending.prefix(Self.linesAtOnce).compactMap { ring[$0] }
            pending.removeFirst(lines.count)
            position = pending.isEmpty ? ring.newest ?? position : lines.last?.sequence ?? position
            return .write(lines)
        }
        mustSearchRing = false
        position = max(position, ring.newest ?? position)
        if isSilent { return .breakSilence }
        return .wait
    }

    /// The next lines after ``position`` that the filter selects.
    private mutating func search(_ ring: EventRing, upTo newest: Int64) -> [StreamLine] {
        pending = []
        var lines: [StreamLine] = []
        while position < newest, lines.count < Self.linesAtOnce {
            position += 1
            if let line = ring[position], filter.matches(line.change) { lines.append(line) }
        }
        mustSearchRing = position < newest
        return lines
    }
}

/// Finds the readers that a change may concern.
struct ReaderIndex {
    private enum Key: Hashable {
        case task(TaskID)
        case label(name: String, value: String)
        case endpoint(EndpointName)
        case all
    }

    private var readers: [Key: [Int]] = [:]

    mutating func add(_ reader: Int, _ filter: EventFilter) {
        for key in Self.keys(of: filter) { readers[key, default: []].append(reader) }
    }

    mutating func remove(_ reader: Int, _ filter: EventFilter) {
        for key in Self.keys(of: filter) {
            readers[key]?.removeAll { $0 == reader }
            if readers[key]?.isEmpty == true { readers[key] = nil }
        }
    }

    /// The readers whose filters may select the change, each once.
    func candidates(for change: CommittedChange) -> [Int] {
        let task = change.task
        var found = (readers[.task(task.id)] ?? []) + (readers[.endpoint(task.endpoint)] ?? []) + (readers[.all] ?? [])
        for (name, value) in task.labels { found += readers[.label(name: name, value: value)] ?? [] }
        return found
    }

    /// The keys of a filter. All are of its rarest kind, so that few changes are tested against it.
    private static func keys(of filter: EventFilter) -> [Key] {
        if !filter.tasks.isEmpty { return filter.tasks.map { .task($0) } }
        if let label = filter.labels.min(by: { $0.key < $1.key }) {
            return [.label(name: label.key, value: label.value)]
        }
        return filter.endpoints.isEmpty ? [.all] : filter.endpoints.map { .endpoint($0) }
    }
}
