import TaskModel

/// Who made a change.
enum ChangeAuthor: Sendable, Hashable {
    case us
    case others
    /// This process, which has read the line before its commit returned, and has delivered it as one of others.
    case usAfterAll
}

/// LineMerger puts the changes of this process and those of others into the order of the log.
///
/// It is used for a store that several processes write to. This process learns of its own lines from its commits, and of
/// the others by reading the log; each is delivered once.
struct LineMerger: Sendable {
    /// A change to deliver, and who made it.
    struct Delivery: Sendable {
        let change: CommittedChange
        let author: ChangeAuthor
    }

    /// Everything up to this place was delivered.
    private(set) var position: Int64
    /// Our lines that were not delivered, in the order of the log. Those about no task have no change.
    private var own: [(place: Int64, change: CommittedChange?)] = []

    init(after position: Int64) { self.position = position }

    /// Whether our lines wait for lines of others before them, which must be read.
    var hasGap: Bool { !own.isEmpty }

    /// Takes the lines of one of our commits. Returns what can be delivered without reading the log.
    mutating func take(_ places: [Int64], _ changes: [CommittedChange]) -> [Delivery] {
        let byPlace = Dictionary(changes.map { ($0.event.sequence, $0) }) { first, _ in first }
        own += places.map { ($0, byPlace[$0]) }
        return takeOwn(upTo: position)
    }

    /// Takes a page of the log. Returns what is new in it, with our lines where they belong.
    mutating func take(_ page: LogPage) -> [Delivery] {
        var deliveries: [Delivery] = []
        for line in page.lines where line.event.sequence > position {
            deliveries += takeOwn(upTo: line.event.sequence)
            // Unless it is ours.
            guard line.event.sequence > position else { continue }
            position = line.event.sequence
            deliveries.append(Delivery(change: line, author: .others))
        }
        if page.through > position {
            deliveries += takeOwn(upTo: page.through)
            position = page.through
        }
        return deliveries + takeOwn(upTo: position)
    }

    /// Takes our lines up to that place, and those that follow without a gap.
    private mutating func takeOwn(upTo place: Int64) -> [Delivery] {
        var (count, deliveries) = (0, [Delivery]())
        for (next, change) in own {
            guard next <= max(place, position + 1) else { break }
            let author: ChangeAuthor = next <= position ? .usAfterAll : .us
            position = max(position, next)
            count += 1
            if let change { deliveries.append(Delivery(change: change, author: author)) }
        }
        own.removeFirst(count)
        return deliveries
    }
}
