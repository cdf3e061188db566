package import TaskModel

/// A task to be stored.
package struct NewTask: Sendable {
    /// Makes the submission repeatable by the client.
    package struct IdempotencyKey: Sendable, Hashable {
        package let key: String
        /// SHA-256 of the submission in canonical form.
        package let fingerprint: [UInt8]

        package init(key: String, fingerprint: [UInt8]) {
            self.key = key
            self.fingerprint = fingerprint
        }
    }

    package let task: TrackedTask
    package let payload: TaskPayload
    package let idempotencyKey: IdempotencyKey?

    package init(task: TrackedTask, payload: TaskPayload, idempotencyKey: IdempotencyKey? = nil) {
        self.task = task
        self.payload = payload
        self.idempotencyKey = idempotencyKey
    }
}

/// What became of a new task.
package enum Insertion: Sendable, Hashable {
    case created
    /// The key already names a task, which was submitted with the same body or with another.
    case keyInUse(by: TaskID, sameBody: Bool)
    /// Its deadline is not in the future; nothing was stored.
    case tooLate
    /// Another task of the service already owns the remote id (only when adopting).
    case remoteIDInUse(by: TaskID)
}

/// An event for a task, and when to look at it next.
package struct PlannedEvent: Sendable, Hashable {
    package let task: TaskID
    package let event: TaskEvent
    /// The attempt that a reply is to, or that a record is of; nil for the latest, and for events about no attempt.
    package let attempt: Int?
    package let nextDueAt: Timestamp?

    package init(_ event: TaskEvent, for task: TaskID, attempt: Int? = nil, nextDueAt: Timestamp?) {
        self.task = task
        self.event = event
        self.attempt = attempt
        self.nextDueAt = nextDueAt
    }
}

/// An attempt that was given up, with its task.
package struct GivenUpTask: Sendable {
    package let stored: StoredTask
    package let givenUp: GivenUpAttempt

    package init(stored: StoredTask, givenUp: GivenUpAttempt) {
        self.stored = stored
        self.givenUp = givenUp
    }
}

/// What decides about the lost attempts of a service.
package struct UncertainView: Sendable {
    /// Tasks whose fate is unknown, oldest first.
    package let uncertain: [StoredTask]
    /// Tasks that are being sent at this moment: a record in the list may be theirs.
    package let submitting: [StoredTask]
    /// Attempts that were given up and whose records have not turned up.
    package let givenUp: [GivenUpTask]
    /// The candidates that belong to tasks whose submission we saw to its end: by its reply, a callback, the id that we gave
    /// it, or a match.
    package let owned: Set<RemoteTaskID>
    /// The candidates that people have named, by tracking or adopting them. Whose submissions they are is not known.
    package let named: Set<RemoteTaskID>

    package init(
        uncertain: [StoredTask], submitting: [StoredTask], givenUp: [GivenUpTask], owned: Set<RemoteTaskID>,
        named: Set<RemoteTaskID>
    ) {
        self.uncertain = uncertain
        self.submitting = submitting
        self.givenUp = givenUp
        self.owned = owned
        self.named = named
    }
}
