import Synchronization
package import TaskModel
import TaskStore

/// One line of the log for the readers of streams. All readers at the end of the log share it.
package final class StreamLine: Sendable {
    let change: CommittedChange
    private let encoding = Mutex<[UInt8]?>(nil)

    /// The maximum size of an encoding that is cached, in bytes.
    private static let maxEncoding = 8 << 10

    init(_ change: CommittedChange) {
        self.change = change
    }

    package var event: StoredEvent { change.event }
    /// The task after the event or later.
    package var task: TrackedTask { change.task }
    package var sequence: Int64 { change.event.sequence }

    /// The encoded line, if a reader has cached it.
    package var encoded: [UInt8]? { encoding.withLock { $0 } }

    /// Caches the encoded line for other readers.
    package func keep(_ bytes: [UInt8]) {
        guard bytes.count <= Self.maxEncoding else { return }
        // A copy, without the room for more that an array has after it has grown.
        let copy = [UInt8](unsafeUninitializedCapacity: bytes.count) { room, count in
            count = room.initialize(fromContentsOf: bytes)
        }
        encoding.withLock { $0 = copy }
    }
}

/// The latest lines of the log about tasks, without a gap.
struct EventRing {
    /// The maximum number of lines. A reader that is further behind reads the table.
    static let capacity = 1_024

    private var slots: [StreamLine] = []
    /// The slot of the oldest line.
    private var start = 0
    /// The place of the latest line; nil if there is none.
    private(set) var newest: Int64?

    /// The place before the oldest line. A reader at this place or later misses no line. Nil if there are no lines.
    var floor: Int64? { newest.map { $0 - Int64(slots.count) } }

    /// Adds the next line. If lines between it and the latest are unknown, removes all others and returns false.
    mutating func append(_ line: StreamLine) -> Bool {
        let isNext = newest == line.sequence - 1
        if !isNext { removeAll() }
        if slots.count < Self.capacity {
            slots.append(line)
        } else {
            slots[start] = line
            start = (start + 1) % slots.count
        }
        newest = line.sequence
        return isNext
    }

    mutating func removeAll() {
        slots.removeAll(keepingCapacity: true)
        start = 0
        newest = nil
    }

    /// The line at that place; nil if the ring does not have it.
    subscript(sequence: Int64) -> StreamLine? {
        guard let newest, let floor, sequence > floor, sequence <= newest else { return nil }
        return slots[(start + Int(sequence - floor) - 1) % slots.count]
    }
}
