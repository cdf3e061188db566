package import TaskModel
package import TaskStore
import Text

/// DeliveryQueue decides what goes to one destination next, and what each outcome changes.
///
/// It is a value without clock, chance or I/O. Events of a task go in their order: the next one waits until the earlier one is
/// delivered or dead. Tasks do not wait for each other. The place in the log never passes an event that is neither delivered
/// nor stored as a failure.
package struct DeliveryQueue: Sendable {
    /// An event that is not delivered yet.
    struct Entry: Sendable {
        var row: DeliveryRow
        /// Whether it has a row, or gets one with the next commit. Else the place in the log stays before it.
        var isStored: Bool
        var isInFlight = false
    }

    /// One delivery to make.
    package struct Job: Sendable, Hashable {
        package let row: DeliveryRow
        /// The number of this try, from 1 on; a probe repeats the number.
        package var attempt: Int { row.attempts + 1 }
        /// Tells apart two deliveries of one event.
        let number: Int
    }

    /// What became of a delivery.
    package enum Outcome: Sendable, Hashable {
        case delivered
        case failed(DeliveryFailure)
        /// The receiver rejects this event for all times.
        case rejected(DeliveryFailure)
        /// The receiver wants no more events (410).
        case gone(DeliveryFailure)
        /// Nothing was sent, through no fault of the receiver.
        case notSent
        /// Nothing is to be sent any more: the task was removed, or its details were.
        case obsolete
    }

    /// A change to log.
    package enum Notice: Sendable, Hashable {
        case closed(DeliveryFailure)
        case opened
        case stopped(DeliveryFailure)
        case dead(DeliveryRow)
    }

    /// The most events that were read and have no row. So many may be delivered twice after a crash.
    static let mostFresh = 256
    /// With more rows than this nothing more is read.
    static let mostStored = 4_096
    /// The most deliveries at once to one of several receivers.
    private static let mostPerReceiver = 4
    /// With more events that have no row, those of one of several receivers get rows at once, so that the log is read on.
    private static let mostFreshPerReceiver = 16
    /// The place in the log is stored at least so often while no event is for the destination.
    static let longestLag = (events: Int64(1_000), time: Duration.seconds(60))

    /// As stored, but for ``DestinationRow/cursor``.
    package internal(set) var row: DestinationRow
    /// The log was read up to here.
    package private(set) var position: Int64
    let schedule: RetrySchedule
    let mostInFlight: Int
    let mostPerTask: Int
    /// Whether its events go to different receivers. Then none of them closes, stops or holds back the others.
    let isShared: Bool
    /// The events of each task in their order. Either all of them are stored or none. Nil stands for those without a
    /// task.
    var entries: [TaskID?: [Entry]] = [:]
    var inFlight: [Int64: Int] = [:]
    var fresh: Set<Int64> = []
    var storedCount = 0
    var jobs = 0
    /// The delivery that asks whether a closed destination is there again.
    var probe: Int?
    var unsaved = Unsaved()
    /// Changes that are being stored.
    var saving: Unsaved?
    /// Since when the stored place lags behind.
    var laggingSince: Timestamp?
    /// Whether a delivery has failed since the start of the daemon.
    var hasFailed = false

    struct Unsaved {
        var puts: [Int64: DeliveryRow] = [:]
        var drops: Set<Int64> = []
        var skipped: DeliveryChanges.Skipped?
        /// Whether the destination itself has changed.
        var isChanged = false
    }

    /// A queue as it is stored.
    package init(
        _ row: DestinationRow, waiting: [DeliveryRow], isNear: Bool = false, mostInFlight: Int = 16,
        mostPerTask: Int = 1, isShared: Bool = false
    ) {
        self.row = row
        position = row.cursor
        schedule = RetrySchedule(isNear: isNear)
        self.mostInFlight = mostInFlight
        self.mostPerTask = mostPerTask
        self.isShared = isShared
        for delivery in waiting.sorted(by: { $0.sequence < $1.sequence }) {
            entries[delivery.task, default: []].append(Entry(row: delivery, isStored: true))
        }
        storedCount = waiting.count
    }

    package var name: DestinationName { row.name }

    /// Every event up to here is delivered, stored, or not for the destination.
    package var cursor: Int64 { fresh.min().map { $0 - 1 } ?? position }

    // MARK: In

    /// Whether more of the log is to be read.
    package var wantsEvents: Bool { fresh.count < Self.mostFresh && storedCount < Self.mostStored }

    /// Takes the events for the destination from a page of the log that ends at `place`.
    package mutating func take(_ events: [DeliveryRow], upTo place: Int64, at now: Timestamp) {
        for event in events where event.sequence > position {
            var list = entries[event.task] ?? []
            guard !list.contains(where: { $0.row.sequence == event.sequence }) else { continue }
            let isStored = list.first?.isStored ?? hasManyFresh(for: event)
            let index = list.firstIndex { $0.row.sequence > event.sequence } ?? list.endIndex
            list.insert(Entry(row: event, isStored: isStored), at: index)
            entries[event.task] = list
            if isStored {
                storedCount += 1
                put(event)
            } else {
                fresh.insert(event.sequence)
            }
        }
        position = max(position, place)
        if position > row.cursor, laggingSince == nil { laggingSince = now }
    }

    private func hasManyFresh(for event: DeliveryRow) -> Bool {
        guard isShared else { return false }
        let receiver = Entry(row: event, isStored: false).receiver
        let others = entries.values.lazy.joined().filter { !$0.isStored && $0.receiver == receiver }
        return others.prefix(Self.mostFreshPerReceiver).count == Self.mostFreshPerReceiver
    }

    // MARK: Out

    /// What is to be sent now.
    package mutating func start(at now: Timestamp) -> [Job] {
        guard !row.isStopped, row.notBefore?.isOver(at: now) ?? true else { return [] }
        let room = row.closedAt == nil ? mostInFlight - inFlight.count : inFlight.isEmpty ? 1 : 0
        guard room > 0 else { return [] }
        let ready = candidates.filter { isReady($0, at: now) }
        let chosen: [Entry]
        if row.closedAt == nil {
            chosen = ready.sorted { $0.row.sequence < $1.row.sequence }
        } else {
            // The one that was not tried for the longest time, so that no event can keep the destination closed.
            chosen = ready.sorted { ($0.lastTried, $0.row.sequence) < ($1.lastTried, $1.row.sequence) }
        }
        return fitting(chosen).prefix(room).map { begin($0) }
    }

    /// The events whose turn it is within their tasks, and whose receivers have room.
    private var candidates: [Entry] {
        let busy = inFlightByReceiver
        return entries.values.flatMap { list -> [Entry] in
            let room = mostPerTask - list.count(where: \.isInFlight)
            guard room > 0 else { return [] }
            return list.prefix(mostPerTask).filter {
                !$0.isInFlight && (!isShared || busy[$0.receiver, default: 0] < Self.mostPerReceiver)
            }
        }
    }

    /// How many deliveries each of several receivers has in flight; empty where there is one.
    private var inFlightByReceiver: [String: Int] {
        guard isShared else { return [:] }
        return entries.values.joined().lazy.filter(\.isInFlight).reduce(into: [:]) { $0[$1.receiver, default: 0] += 1 }
    }

    /// These without the ones for which their receiver has no room.
    private func fitting(_ chosen: [Entry]) -> [Entry] {
        guard isShared else { return chosen }
        var busy = inFlightByReceiver
        return chosen.filter { entry in
            busy[entry.receiver, default: 0] += 1
            return busy[entry.receiver, default: 0] <= Self.mostPerReceiver
        }
    }

    private func isReady(_ entry: Entry, at now: Timestamp) -> Bool {
        // A probe asks whether the destination is there; its times are the destination's.
        return row.closedAt != nil || entry.row.nextAt?.isOver(at: now) ?? true
    }

    private mutating func begin(_ entry: Entry) -> Job {
        jobs += 1
        if let index = index(of: entry.row) { entries[entry.row.task]?[index].isInFlight = true }
        inFlight[entry.row.sequence] = jobs
        if row.closedAt != nil { probe = jobs }
        return Job(row: entry.row, number: jobs)
    }

    /// When something is to be done without an outcome or a new event; nil if nothing is.
    package func nextTime(at now: Timestamp) -> Timestamp? {
        var times: [Timestamp] = laggingSince.map { [$0 + Self.longestLag.time] } ?? []
        if row.isStopped || row.closedAt != nil { times.append(now + .seconds(3_600)) }
        if !row.isStopped {
            let isFull = row.closedAt == nil ? inFlight.count >= mostInFlight : !inFlight.isEmpty
            if !isFull {
                let due = candidates.map { head in
                    let own = row.closedAt == nil ? head.row.nextAt : nil
                    return [own, row.notBefore].compactMap { $0.flatMap { $0.isOver(at: now) ? nil : $0 } }.max() ?? now
                }
                if let first = due.min() { times.append(first) }
            }
        }
        return times.min()
    }
}

extension DeliveryQueue.Entry {
    /// A new event counts as tried when it happened.
    fileprivate var lastTried: Timestamp { row.triedAt ?? row.at }

    /// Where it goes, if the destination has several receivers.
    fileprivate var receiver: String { row.ownURL?.host ?? "" }
}

extension DeliveryRow {
    /// The address that its task brings; nil if it brings none.
    var ownURL: HTTPURL? { notify.flatMap { HTTPURL(Destination.address(in: $0)) } }
}
