/// What arrived at a callback URL of ours, with the attempt that had carried it.
///
/// A hint: it is unsigned, may be repeated, come early, late or out of order, and may call a task done that is not. What it
/// proves is only that the provider got the request of that attempt, since nobody else was ever given the token.
package struct CallbackDelivery: Sendable, Hashable {
    /// Which of the task's attempts carried the token.
    package let attempt: Int
    /// The provider's id, where the body names one.
    package let remoteID: RemoteTaskID?
    /// What the body says; nil where it cannot be read.
    package let observation: Observation?

    package init(attempt: Int, remoteID: RemoteTaskID? = nil, observation: Observation? = nil) {
        self.attempt = attempt
        self.remoteID = remoteID
        self.observation = observation
    }

    /// Whether the body calls the task ended, well or badly.
    package var isFinal: Bool { observation.map { $0.verdict != .pending } ?? false }

    /// Deliveries of one attempt beyond this many change nothing any more: providers that stream their progress send a
    /// dozen.
    package static let mostPerAttempt = 64
}

/// What a task's row keeps of its deliveries.
package struct CallbackRecord: Sendable, Hashable {
    /// How many there were.
    package var count = 0
    /// The provider's id, as the first that named one told it: proof that the provider has the task, whatever becomes of
    /// the reply to its submission.
    package var remoteID: RemoteTaskID?
    /// The attempt that ``remoteID`` is of.
    package var attempt: Int?
    /// When the latest came; moved along like ``TrackedTask/ageFrom``.
    package var latestAt: Timestamp?
    /// When the first that called the task ended came; moved along likewise.
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
    /// Whether something arrived that no status query has looked into yet.
    package var isCalledBack: Bool {
        callbacks.latestAt.map { arrived in lastPendingAt.map { $0 <= arrived } ?? true } ?? false
    }
}

/// Whose token a delivery carried.
package struct CallbackOwner: Sendable, Hashable {
    package let task: TrackedTask
    /// Which of its attempts carried the token.
    package let attempt: Int
    /// Deliveries with this token before.
    package let deliveries: Int
    /// Whether one of them called the task ended.
    package let hadFinal: Bool

    package init(task: TrackedTask, attempt: Int, deliveries: Int, hadFinal: Bool) {
        self.task = task
        self.attempt = attempt
        self.deliveries = deliveries
        self.hadFinal = hadFinal
    }
}
