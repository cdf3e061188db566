import TaskEngine
import TaskModel
import TaskStore

/// Compares what the receiver of a destination has got with the log.
struct NotificationAudit {
    /// The types of events that it gets.
    let types: Set<NotificationType>
    private struct Event {
        let sequence: Int64
        let task: String
    }

    /// Everything that the destination gets, in the order of the log.
    private var events: [Event] = []
    /// How many deliveries were checked.
    private var checked = 0
    private var taken: Set<Int64> = []
    /// The place at which the destination began; nil before the first start.
    private var start: Int64?
    /// The dead letters on disk.
    private var dead: Set<Int64> = []
    /// Those that went with the details of their tasks.
    private var retired: Set<Int64> = []

    init(types: Set<NotificationType>) { self.types = types }

    mutating func note(_ lines: [DiskView.EventLine]) {
        for line in lines {
            guard let to = TaskState(rawValue: line.to) else { continue }
            let entry = TaskLogEntry(
                at: Timestamp(milliseconds: line.at), kind: line.kind,
                from: line.from.flatMap(TaskState.init(rawValue:)),
                to: to)
            if NotificationType(entry).map(types.contains) ?? false {
                events.append(Event(sequence: line.sequence, task: line.task))
            }
        }
    }

    /// Notes where the destination began, from the first look at its place, and its dead letters. Those of tasks that are not
    /// among the `detailed` ones may go.
    mutating func note(place: Int64?, dead: Set<Int64>, detailed: Set<String>) {
        start = start ?? place
        let gone = self.dead.subtracting(dead)
        retired.formUnion(events.filter { gone.contains($0.sequence) && !detailed.contains($0.task) }.map(\.sequence))
        self.dead = dead
    }

    /// Checks that each event came after the earlier ones of its task. `exempt` are tasks whose log a person has removed.
    mutating func check(_ receiver: SimulatedReceiver, exempt: Set<String>) throws {
        let (deliveries, refused) = (receiver.taken, receiver.refused)
        for sequence in deliveries[checked...] {
            checked += 1
            guard taken.insert(sequence).inserted, let start,
                let event = events.first(where: { $0.sequence == sequence }), !exempt.contains(event.task)
            else { continue }
            let earlier = events.first { other in
                other.task == event.task && start < other.sequence && other.sequence < sequence
                    && !taken.contains(other.sequence) && !refused.contains(other.sequence)
            }
            if let earlier {
                throw Violation(.deliveredInOrder, "\(sequence) of \(event.task) came before \(earlier.sequence)")
            }
        }
    }

    /// The first such event that was neither taken nor is a dead letter; nil if there is none.
    func undelivered(
        exempt: Set<String>, where isMeant: (_ sequence: Int64) -> Bool = { _ in true }
    ) -> String? {
        guard let start else { return nil }
        let missing = events.first { event in
            guard event.sequence > start, !taken.contains(event.sequence), !dead.contains(event.sequence),
                !retired.contains(event.sequence), !exempt.contains(event.task)
            else { return false }
            return isMeant(event.sequence)
        }
        return missing.map { "event \($0.sequence) of \($0.task) was neither taken nor is it a dead letter" }
    }
}
