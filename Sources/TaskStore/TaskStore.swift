package import TaskModel
package import VerbatimJSON

/// Whether the storage can be written to and trusted.
package enum StorageCondition: Sendable, Hashable {
    /// Everything is as it should be.
    case sound
    /// It works, but its contents are still being checked: nothing is paid for on their word.
    case beingChecked
    /// Nothing can be stored, and why.
    case failed(TaskStoreError)
}

/// The one door to what is remembered.
///
/// Every write is one transaction that is on disk before the call returns; every time is an argument. State changes
/// go through ``TaskLifecycle`` inside the transaction, row and event together.
package protocol TaskStore: Sendable {
    /// Stores a new task with its first event, or finds the one that its idempotency key names.
    func insert(_ submission: NewTask) async throws(TaskStoreError) -> Insertion

    /// Stores several in one transaction, in their order, as if they came one after another.
    func insert(_ submissions: [NewTask]) async throws(TaskStoreError) -> [Insertion]

    /// Applies an event to a task; nil where there is no such task.
    ///
    /// An `adopted` remote id that another task of the service owns is an error and changes nothing.
    func apply(
        _ event: TaskEvent, to id: TaskID, at now: Timestamp, nextDueAt: Timestamp?
    ) async throws(TaskStoreError) -> TaskChange?

    /// Applies several events in one transaction, and takes what they teach; tasks that do not exist are left out of the
    /// answer.
    func apply(
        _ batch: [PlannedEvent], at now: Timestamp, teaching lessons: [Lesson]
    ) async throws(TaskStoreError) -> [TaskChange]

    /// Puts off the next look at a task, if it is still open; its state and log stay as they are.
    func postpone(_ ids: [TaskID], until nextDueAt: Timestamp) async throws(TaskStoreError)

    /// Settles lost attempts of a service from one consistent view.
    ///
    /// The view holds those that began in the window, without what came back. `decide` runs inside the transaction, so that
    /// no submission can be confirmed between its view and the write.
    func settle(
        service: String, attemptedIn window: ClosedRange<Timestamp>, candidates: Set<RemoteTaskID>, at now: Timestamp,
        deciding decide: @escaping @Sendable (UncertainView) -> [PlannedEvent]
    ) async throws(TaskStoreError) -> [TaskChange]

    /// The task; nil where there is none.
    func task(_ id: TaskID) async throws(TaskStoreError) -> TrackedTask?
    /// The task with what was asked for and what came back.
    func taskWithPayload(_ id: TaskID) async throws(TaskStoreError) -> StoredTask?
    /// The task of that service that owns the remote id.
    func task(service: String, remoteID: RemoteTaskID) async throws(TaskStoreError) -> TrackedTask?
    /// Tasks of that one's endpoint that the provider has accepted, as a reply or a callback told, near to it in time: the
    /// nearest first. Documents longer than `maxBytes` are left out.
    func acceptedNeighbours(
        of id: TaskID, within span: Duration, limit: Int, maxBytes: Int
    ) async throws(TaskStoreError) -> [StoredTask]
    /// Services that have attempts which were given up and are to be looked for again.
    func servicesWithGivenUpAttempts() async throws(TaskStoreError) -> [String]
    /// Attempts of a service that were given up and are to be looked for again by then, most overdue first.
    func givenUpAttempts(
        of service: String, dueBy time: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [GivenUpAttempt]
    /// Every attempt of a task that was given up and whose record has not turned up.
    func givenUpAttempts(of task: TaskID) async throws(TaskStoreError) -> [GivenUpAttempt]
    /// When the first of them is to be looked for again.
    func nextGivenUpReading(of service: String) async throws(TaskStoreError) -> Timestamp?
    /// Remembers how often these were looked for, and when to look again.
    func noteReadings(of attempts: [GivenUpAttempt]) async throws(TaskStoreError)
    /// Brings forward to `now` what is due later than `latest`, which only a clock that was set back explains.
    func bringForward(
        in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp
    ) async throws(TaskStoreError) -> Int
    /// Ids that begin so, at most `limit`.
    func ids(withPrefix prefix: String, limit: Int) async throws(TaskStoreError) -> [TaskID]
    /// A page of tasks, newest first.
    func tasks(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int
    ) async throws(TaskStoreError) -> TaskListing
    /// A page of a task's log, oldest first, after that sequence number.
    func events(of id: TaskID, after sequence: Int64, limit: Int) async throws(TaskStoreError) -> [StoredEvent]

    /// How many tasks there are of each endpoint in each state.
    func counts() async throws(TaskStoreError) -> [TaskCount]
    /// Endpoints with queued tasks.
    func endpointsWithQueue() async throws(TaskStoreError) -> [EndpointName]
    /// Queued tasks of an endpoint that may go now, in order of priority, then age; none whose deadline has passed.
    func queued(
        on endpoint: EndpointName, at now: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask]
    /// When the next queued task of an endpoint that is not ready yet becomes so.
    func nextQueued(on endpoint: EndpointName, after now: Timestamp) async throws(TaskStoreError) -> Timestamp?
    /// How many tasks of a service are in one of these open states; stops counting at `most`.
    func inFlight(in states: [TaskState], of service: String, upTo most: Int) async throws(TaskStoreError) -> Int
    /// Services that have tasks in that state.
    func services(in state: TaskState) async throws(TaskStoreError) -> [String]
    /// Tasks of a service in that state that are due by then, most overdue first, but for those excluded.
    func due(
        in state: TaskState, of service: String, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask]
    /// When the first task of a service in that state is due.
    func nextDue(in state: TaskState, of service: String) async throws(TaskStoreError) -> Timestamp?
    /// Tasks in that state, oldest first.
    func tasks(in state: TaskState, limit: Int) async throws(TaskStoreError) -> [TrackedTask]
    /// Queued and running tasks whose deadline has passed.
    func overdue(at now: Timestamp, limit: Int) async throws(TaskStoreError) -> [TrackedTask]
    /// The first deadline of a queued or running task.
    func nextDeadline() async throws(TaskStoreError) -> Timestamp?

    /// What experience tells of an endpoint: of all its tasks, and of those of each model that there is a row for.
    func learned(of endpoint: EndpointName) async throws(TaskStoreError) -> [Learned]
    /// Moves along with a jump of the wall clock what the schedule of running and uncertain tasks rests on: when they are
    /// due, from when their age counts, when they were last seen unfinished. Queued ones wait for a time that somebody
    /// wished, or for a gate.
    func moveSchedule(by jump: Duration) async throws(TaskStoreError)

    /// Whose token has that digest, and what came with it before; nil where nobody's has. Compares all of it, whatever
    /// the index found.
    func owner(of digest: CallbackDigest) async throws(TaskStoreError) -> CallbackOwner?
    /// The best body that was delivered for the task and calls it ended: success before failure, then the latest. A failure
    /// counts only once the latest attempt was called ended; of an earlier one it says nothing about this one.
    func deliveredOutcome(of id: TaskID) async throws(TaskStoreError) -> JSONValue?

    /// Everything that holds requests back.
    func gates() async throws(TaskStoreError) -> [StoredGate]
    /// Remembers what holds requests back, over restarts; an older revision than what is there changes nothing.
    func save(_ gate: StoredGate) async throws(TaskStoreError)

    /// Whether the storage can be written to and trusted at this moment; cheap enough to be asked before every claim.
    func condition() async -> StorageCondition
    /// Checks what opening the store left unchecked, which may take minutes; returns once all of it is known to be sound.
    ///
    /// Throws ``TaskStoreError/damaged(_:)`` where it is not. A cancelled caller gets back early.
    func checkContents() async throws(TaskStoreError)

    /// Where the store is and how large, for the status page.
    func facts() async throws(TaskStoreError) -> StoreFacts
}

extension TaskStore {
    /// Tasks of a service in that state that are due by then, most overdue first.
    package func due(
        in state: TaskState, of service: String, by time: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask] {
        try await due(in: state, of: service, by: time, excluding: [], limit: limit)
    }

    /// Applies several events that teach nothing.
    package func apply(_ batch: [PlannedEvent], at now: Timestamp) async throws(TaskStoreError) -> [TaskChange] {
        try await apply(batch, at: now, teaching: [])
    }
}
