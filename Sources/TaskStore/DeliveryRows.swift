package import TaskModel

/// Where a destination of notifications is in the log, and whether it can be reached.
package struct DestinationRow: Sendable, Hashable {
    package let name: DestinationName
    /// Every event up to this place is delivered, has a row, or is not for the destination.
    package var cursor: Int64
    /// Grows when a person changes what is to be delivered, and when another process serves it. Outcomes of what was sent before
    /// are not recorded then.
    package var generation = 0
    /// Failures in a row.
    package var failures = 0
    /// Since when it counts as unreachable; nil if it does not.
    package var closedAt: Timestamp?
    /// How many probes have failed since then.
    package var probes = 0
    /// Nothing is sent sooner.
    package var notBefore: Timestamp?
    /// Whether it answered 410. Then nothing is sent until a test succeeds.
    package var isStopped = false
    /// The latest failure.
    package var failure: DeliveryFailure?
    package var failedAt: Timestamp?

    package init(name: DestinationName, cursor: Int64) {
        self.name = name
        self.cursor = cursor
    }
}

/// Why a notification was not delivered.
package struct DeliveryFailure: Error, Sendable, Hashable {
    /// The HTTP status or exit code; nil if there is none.
    package var status: Int?
    /// What happened, as the end of a sentence.
    package var reason: String
    /// A part of the reply, or of the output of a program.
    package var answer: String?
    /// How long the destination asks to be left alone.
    package var retryAfter: Duration?

    package init(status: Int? = nil, reason: String, answer: String? = nil, retryAfter: Duration? = nil) {
        self.status = status
        self.reason = reason
        self.answer = answer
        self.retryAfter = retryAfter
    }
}

/// An event whose delivery failed, or that waits behind such an event of its task.
package struct DeliveryRow: Sendable, Hashable {
    package let destination: DestinationName
    /// The place of the event in the log.
    package let sequence: Int64
    /// The task that it is about; nil if it belongs to none. Those without a task count as of one task.
    package let task: TaskID?
    package let type: NotificationType
    /// When it happened.
    package let at: Timestamp
    /// What its task says in `notify`.
    package var notify: String?
    /// Failed tries.
    package var attempts = 0
    /// When the next try is due; nil once its turn comes.
    package var nextAt: Timestamp?
    package var triedAt: Timestamp?
    /// Whether it is tried no more.
    package var isDead = false
    /// The latest failure, without what concerns only the next try.
    package var failure: DeliveryFailure?

    package init(
        destination: DestinationName, sequence: Int64, task: TaskID?, type: NotificationType, at: Timestamp
    ) {
        self.destination = destination
        self.sequence = sequence
        self.task = task
        self.type = type
        self.at = at
    }
}

/// What deliveries to one destination have changed, to be stored in one transaction.
package struct DeliveryChanges: Sendable, Hashable {
    /// The destination as it becomes.
    package var destination: DestinationRow
    /// Rows to store, in place of what is there.
    package var puts: [DeliveryRow]
    /// The places of events whose rows go.
    package var drops: [Int64]
    /// Events that are given up because the destination did not take them for too long.
    package var skipped: Skipped?

    package struct Skipped: Sendable, Hashable {
        package var count: Int
        /// The places of the first and the last of them.
        package var places: ClosedRange<Int64>

        package init(count: Int, places: ClosedRange<Int64>) {
            self.count = count
            self.places = places
        }
    }

    package init(
        destination: DestinationRow, puts: [DeliveryRow] = [], drops: [Int64] = [], skipped: Skipped? = nil
    ) {
        self.destination = destination
        self.puts = puts
        self.drops = drops
        self.skipped = skipped
    }
}

/// Which deliveries are asked for, in the order of the log.
package enum DeliveryQuery: Sendable, Hashable {
    case waiting(DestinationName)
    case dead(DestinationName, limit: Int)
    /// Of one task, dead or not.
    case of(TaskID, DestinationName)
}

/// How many events wait behind a failure, and how many are dead.
package struct DeliveryCount: Sendable, Hashable {
    package let destination: DestinationName
    package let isDead: Bool
    package let count: Int

    package init(destination: DestinationName, isDead: Bool, count: Int) {
        self.destination = destination
        self.isDead = isDead
        self.count = count
    }
}

/// Which events are delivered once more.
package enum Replay: Sendable, Hashable {
    /// All events of a task.
    case task(TaskID)
    /// Everything since that time.
    case since(Timestamp)
    /// What is tried no more.
    case dead
}
