/// A delivery to a callback URL and the attempt that it belongs to.
///
/// It may be unsigned, repeated, early, late, out of order or wrong. It proves only that the provider received that
/// attempt's request, because no one else knows the token.
package struct CallbackDelivery: Sendable, Hashable {
    /// The number of the attempt with that token.
    package let attempt: Int
    /// The provider's id, if the body contains one.
    package let remoteID: RemoteTaskID?
    /// The content of the body; nil if it cannot be read.
    package let observation: Observation?

    package init(attempt: Int, remoteID: RemoteTaskID? = nil, observation: Observation? = nil) {
        self.attempt = attempt
        self.remoteID = remoteID
        self.observation = observation
    }

    /// Whether the body reports an end, success or failure.
    package var isFinal: Bool { observation.map { $0.verdict != .pending } ?? false }

    /// The maximum number of stored deliveries per attempt. Later ones change nothing. Providers that stream progress
    /// send a dozen.
    package static let maxPerAttempt = 64
}

/// The summary of a task's deliveries in its row.
package struct CallbackRecord: Sendable, Hashable {
    /// The number of deliveries.
    package var count = 0
    /// The provider's id from the first delivery that contained one. It proves that the provider has the task,
    /// whatever happens to the submission's reply.
    package var remoteID: RemoteTaskID?
    /// The attempt that ``remoteID`` belongs to.
    package var attempt: Int?
    /// The time of the latest delivery, adjusted like ``TrackedTask/ageFrom``.
    package var latestAt: Timestamp?
    /// The time of the first delivery that reported an end, adjusted in the same way.
    package var finalAt: Timestamp?

    package init(
        count: Int = 0, remoteID: RemoteTaskID? = nil, attempt: Int? = nil, latestAt: Timestamp? = nil,
        finalAt: Timestamp? = nil
    ) {
        self.count = count
        self.remoteID = remoteID
        self.attempt = attempt
        self.latestAt = latestAt
        self.finalAt = finalAt
    }

    mutating func count(_ delivery: CallbackDelivery, at now: Timestamp) {
        count += 1
        latestAt = now
        if delivery.isFinal { finalAt = finalAt ?? now }
        if remoteID == nil, let id = delivery.remoteID {
            remoteID = id
            attempt = delivery.attempt
        }
    }
}

extension TrackedTask {
    /// Whether a delivery arrived after the latest poll.
    package var isCalledBack: Bool {
        callbacks.latestAt.map { arrived in lastPendingAt.map { $0 <= arrived } ?? true } ?? false
    }
}

/// The attempt that a callback token belongs to.
package struct CallbackOwner: Sendable, Hashable {
    package let task: TrackedTask
    /// The attempt's number.
    package let attempt: Int
    /// The number of earlier deliveries with this token.
    package let deliveries: Int
    /// Whether one of them reported an end.
    package let hadFinal: Bool

    package init(task: TrackedTask, attempt: Int, deliveries: Int, hadFinal: Bool) {
        self.task = task
        self.attempt = attempt
        self.deliveries = deliveries
        self.hadFinal = hadFinal
    }
}
