package import TaskModel

/// A new task.
package struct NewTask: Sendable {
    /// Makes the submission repeatable by the client.
    package struct IdempotencyKey: Sendable, Hashable {
        package let key: String
        /// The SHA-256 digest of the submission in canonical form.
        package let fingerprint: [UInt8]

        package init(key: String, fingerprint: [UInt8]) {
            self.key = key
            self.fingerprint = fingerprint
        }
    }

    package let task: TrackedTask
    package let payload: TaskPayload
    package let idempotencyKey: IdempotencyKey?
    /// SHA-256 of what makes it equal to another one of an agent; nil if equal submissions do not join.
    package var contentKey: [UInt8]?
    /// What it is expected to cost; nil for a task that was submitted elsewhere.
    package var charge: Charge?

    package init(task: TrackedTask, payload: TaskPayload, idempotencyKey: IdempotencyKey? = nil) {
        self.task = task
        self.payload = payload
        self.idempotencyKey = idempotencyKey
    }
}

/// The outcome of inserting a task.
package enum InsertResult: Sendable, Hashable {
    case created
    /// The key already belongs to a task, which was submitted with the same body or with another.
    case keyInUse(by: TaskID, sameBody: Bool)
    /// An agent repeated the submission of this task.
    case joined(TaskID)
    /// Its deadline is not in the future; nothing was stored.
    case tooLate
    /// Another task of the service already owns the remote id (only when adopting).
    case remoteIDInUse(by: TaskID)
    /// A budget that refuses tasks has no room for it; nothing was stored.
    case overBudget(BudgetShortage)
}

/// An event for a task, and when to handle the task next.
package struct ScheduledEvent: Sendable {
    /// Computes the next due time of a task from the task after the event; nil if the event does not determine it.
    package typealias Schedule = @Sendable (TrackedTask) -> Timestamp?

    package let task: TaskID
    package let event: TaskEvent
    /// The attempt of a reply or a record; nil for the latest, and for events about no attempt.
    package let attempt: Int?
    /// The lease under which the event starts work; nil for events that record something.
    package let lease: LeaseName?
    /// The account whose reply or list shows the event's remote id; nil for the account of the attempt.
    package let account: AccountName?
    /// Runs inside the transaction, perhaps twice, so it must depend on the task only.
    package let schedule: Schedule
    /// Computes a further event from the task after the first event. It must be as pure as ``schedule``.
    package let consequence: (@Sendable (TrackedTask) -> TaskEvent?)?
    /// The provider's reply that the event is about, where it is to be kept as it came.
    package var reply: SubmissionReply?
    /// What the attempt that the event starts is expected to cost; nil if nothing is known about that.
    package var charge: Charge?

    package init(
        _ event: TaskEvent, for task: TaskID, attempt: Int? = nil, under lease: LeaseName? = nil,
        shownTo account: AccountName? = nil,
        consequence: (@Sendable (TrackedTask) -> TaskEvent?)? = nil,
        schedule: @escaping Schedule
    ) {
        self.task = task
        self.event = event
        self.attempt = attempt
        self.lease = lease
        self.account = account
        self.consequence = consequence
        self.schedule = schedule
    }

    /// Creates an event with a due time that does not depend on the changed task.
    package init(
        _ event: TaskEvent, for task: TaskID, attempt: Int? = nil, under lease: LeaseName? = nil,
        shownTo account: AccountName? = nil, nextDueAt: Timestamp?
    ) {
        self.init(event, for: task, attempt: attempt, under: lease, shownTo: account) { _ in nextDueAt }
    }

    /// The same for another event.
    package func replacing(event: TaskEvent) -> ScheduledEvent {
        var replaced = ScheduledEvent(
            event, for: task, attempt: attempt, under: lease, shownTo: account, consequence: consequence,
            schedule: schedule)
        replaced.reply = reply
        replaced.charge = charge
        return replaced
    }
}

/// A given-up attempt with its task.
package struct GivenUpTask: Sendable {
    package let stored: TaskWithPayload
    package let givenUp: GivenUpAttempt

    package init(stored: TaskWithPayload, givenUp: GivenUpAttempt) {
        self.stored = stored
        self.givenUp = givenUp
    }
}

/// The data that decides about the lost attempts of a service.
package struct ReconciliationSnapshot: Sendable {
    /// The uncertain tasks, oldest first.
    package let uncertain: [TaskWithPayload]
    /// The tasks that are being sent now. A record in the list may be theirs.
    package let submitting: [TaskWithPayload]
    /// The given-up attempts without a known record.
    package let givenUp: [GivenUpTask]
    /// The candidates of tasks whose submission we saw to its end: by its reply, a callback, the client id, or a match.
    package let owned: Set<RemoteTaskID>
    /// The candidates that people have named, by tracking or adopting them. It is unknown which submissions they belong
    /// to.
    package let named: Set<RemoteTaskID>

    package init(
        uncertain: [TaskWithPayload], submitting: [TaskWithPayload], givenUp: [GivenUpTask], owned: Set<RemoteTaskID>,
        named: Set<RemoteTaskID>
    ) {
        self.uncertain = uncertain
        self.submitting = submitting
        self.givenUp = givenUp
        self.owned = owned
        self.named = named
    }
}

/// A position in the arrival order of tasks. It covers the tasks up to that position.
package struct TaskMark: Sendable, Hashable {
    let key: Int64
}
