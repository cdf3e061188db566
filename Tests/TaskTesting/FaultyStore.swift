import Synchronization
package import TaskModel
package import TaskStore
package import VerbatimJSON

/// A store that fails when a test says so, and otherwise is the one behind it.
package final class FaultyStore: TaskStore {
    /// One call, before it is passed on.
    package enum Call: Sendable {
        /// Events for tasks.
        case apply([TaskEvent])
        /// Another write, by the name of its verb.
        case write(String)
        /// A read, by the name of its verb.
        case read(String)

        /// Whether it would change anything.
        package var isWrite: Bool {
            if case .read = self { false } else { true }
        }

        /// The kinds of the events that it applies.
        package var kinds: [String] {
            if case .apply(let events) = self { events.map(\.kind) } else { [] }
        }
    }

    /// The error for a call; nil passes it on.
    package typealias Fault = @Sendable (Call) -> TaskStoreError?

    private let base: any TaskStore
    private let fault = Mutex<Fault?>(nil)
    private let lateFault = Mutex<Fault?>(nil)
    private let found = Mutex<StorageCondition?>(nil)
    private let hook = Mutex<(@Sendable (Call) async -> Void)?>(nil)

    /// Passes everything on, until told otherwise.
    package init(_ base: any TaskStore) {
        self.base = base
    }

    /// Fails as the closure says from now on; nil ends it.
    package func fail(_ fault: Fault?) { self.fault.withLock { $0 = fault } }

    /// Fails the next calls that the closure picks, so many of them.
    package func fail(
        next count: Int, with error: TaskStoreError, where picks: @escaping @Sendable (Call) -> Bool = { $0.isWrite }
    ) {
        let left = Counter(count)
        fail { call in picks(call) && left.take() ? error : nil }
    }

    /// Does the next write that the closure picks, and says then that nobody knows whether it is stored.
    package func forgetOutcome(where picks: @escaping @Sendable (Call) -> Bool) {
        let left = Counter(1)
        lateFault.withLock { $0 = { call in picks(call) && left.take() ? .unknown : nil } }
    }

    /// What is said of the storage from now on; nil for the truth.
    package func find(_ condition: StorageCondition?) { found.withLock { $0 = condition } }

    /// Runs after events were stored and before the caller is told.
    package func afterApply(_ hook: (@Sendable (Call) async -> Void)?) { self.hook.withLock { $0 = hook } }

    private func before(_ call: Call) async throws(TaskStoreError) {
        if let error = fault.withLock({ $0 })?(call) { throw error }
    }

    private func after(_ call: Call) async throws(TaskStoreError) {
        await hook.withLock { $0 }?(call)
        if let error = lateFault.withLock({ $0 })?(call) { throw error }
    }
}

/// A number that only goes down.
private final class Counter: Sendable {
    private let left: Mutex<Int>

    init(_ count: Int) {
        left = Mutex(count)
    }

    func take() -> Bool {
        left.withLock { left in
            guard left > 0 else { return false }
            left -= 1
            return true
        }
    }
}

extension FaultyStore {
    package func insert(_ submission: NewTask) async throws(TaskStoreError) -> Insertion {
        try await before(.write("insert"))
        let answer = try await base.insert(submission)
        try await after(.write("insert"))
        return answer
    }

    package func insert(_ submissions: [NewTask]) async throws(TaskStoreError) -> [Insertion] {
        try await before(.write("insert"))
        return try await base.insert(submissions)
    }

    package func apply(_ event: TaskEvent, to id: TaskID, at now: Timestamp, nextDueAt: Timestamp?)
        async throws(TaskStoreError) -> TaskChange?
    {
        try await before(.apply([event]))
        let answer = try await base.apply(event, to: id, at: now, nextDueAt: nextDueAt)
        try await after(.apply([event]))
        return answer
    }

    package func apply(
        _ batch: [PlannedEvent], at now: Timestamp, teaching lessons: [Lesson]
    ) async throws(TaskStoreError) -> [TaskChange] {
        try await before(.apply(batch.map(\.event)))
        let answer = try await base.apply(batch, at: now, teaching: lessons)
        try await after(.apply(batch.map(\.event)))
        return answer
    }

    package func postpone(_ ids: [TaskID], until nextDueAt: Timestamp) async throws(TaskStoreError) {
        try await before(.write("postpone"))
        try await base.postpone(ids, until: nextDueAt)
    }

    package func settle(
        service: String, attemptedIn window: ClosedRange<Timestamp>, candidates: Set<RemoteTaskID>, at now: Timestamp,
        deciding decide: @escaping @Sendable (UncertainView) -> [PlannedEvent]
    ) async throws(TaskStoreError) -> [TaskChange] {
        try await before(.write("settle"))
        return try await base.settle(
            service: service, attemptedIn: window, candidates: candidates, at: now, deciding: decide)
    }

    package func acceptedNeighbours(
        of id: TaskID, within span: Duration, limit: Int, maxBytes: Int
    ) async throws(TaskStoreError) -> [StoredTask] {
        try await before(.read("acceptedNeighbours"))
        return try await base.acceptedNeighbours(of: id, within: span, limit: limit, maxBytes: maxBytes)
    }

    package func servicesWithGivenUpAttempts() async throws(TaskStoreError) -> [String] {
        try await before(.read("servicesWithGivenUpAttempts"))
        return try await base.servicesWithGivenUpAttempts()
    }

    package func givenUpAttempts(
        of service: String, dueBy time: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await before(.read("givenUpAttempts"))
        return try await base.givenUpAttempts(of: service, dueBy: time, limit: limit)
    }

    package func givenUpAttempts(of task: TaskID) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await before(.read("givenUpAttempts"))
        return try await base.givenUpAttempts(of: task)
    }

    package func nextGivenUpReading(of service: String) async throws(TaskStoreError) -> Timestamp? {
        try await before(.read("nextGivenUpReading"))
        return try await base.nextGivenUpReading(of: service)
    }

    package func noteReadings(of attempts: [GivenUpAttempt]) async throws(TaskStoreError) {
        try await before(.write("noteReadings"))
        try await base.noteReadings(of: attempts)
    }

    package func bringForward(
        in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp
    ) async throws(TaskStoreError) -> Int {
        try await before(.write("bringForward"))
        return try await base.bringForward(in: state, dueAfter: latest, to: now)
    }

    package func task(_ id: TaskID) async throws(TaskStoreError) -> TrackedTask? {
        try await before(.read("task"))
        return try await base.task(id)
    }

    package func taskWithPayload(_ id: TaskID) async throws(TaskStoreError) -> StoredTask? {
        try await before(.read("taskWithPayload"))
        return try await base.taskWithPayload(id)
    }

    package func task(service: String, remoteID: RemoteTaskID) async throws(TaskStoreError) -> TrackedTask? {
        try await before(.read("task"))
        return try await base.task(service: service, remoteID: remoteID)
    }

    package func ids(withPrefix prefix: String, limit: Int) async throws(TaskStoreError) -> [TaskID] {
        try await before(.read("ids"))
        return try await base.ids(withPrefix: prefix, limit: limit)
    }

    package func tasks(matching filter: TaskFilter, after cursor: PageCursor?, limit: Int) async throws(TaskStoreError)
        -> TaskListing
    {
        try await before(.read("tasks"))
        return try await base.tasks(matching: filter, after: cursor, limit: limit)
    }

    package func events(of id: TaskID, after sequence: Int64, limit: Int) async throws(TaskStoreError) -> [StoredEvent]
    {
        try await before(.read("events"))
        return try await base.events(of: id, after: sequence, limit: limit)
    }

    package func counts() async throws(TaskStoreError) -> [TaskCount] {
        try await before(.read("counts"))
        return try await base.counts()
    }

    package func endpointsWithQueue() async throws(TaskStoreError) -> [EndpointName] {
        try await before(.read("endpointsWithQueue"))
        return try await base.endpointsWithQueue()
    }

    package func queued(on endpoint: EndpointName, at now: Timestamp, limit: Int) async throws(TaskStoreError)
        -> [TrackedTask]
    {
        try await before(.read("queued"))
        return try await base.queued(on: endpoint, at: now, limit: limit)
    }

    package func nextQueued(on endpoint: EndpointName, after now: Timestamp) async throws(TaskStoreError) -> Timestamp?
    {
        try await before(.read("nextQueued"))
        return try await base.nextQueued(on: endpoint, after: now)
    }

    package func inFlight(
        in states: [TaskState], of service: String, upTo most: Int
    ) async throws(TaskStoreError) -> Int {
        try await before(.read("inFlight"))
        return try await base.inFlight(in: states, of: service, upTo: most)
    }

    package func services(in state: TaskState) async throws(TaskStoreError) -> [String] {
        try await before(.read("services"))
        return try await base.services(in: state)
    }

    package func due(in state: TaskState, of service: String, by time: Timestamp, excluding: Set<TaskID>, limit: Int)
        async throws(TaskStoreError) -> [TrackedTask]
    {
        try await before(.read("due"))
        return try await base.due(in: state, of: service, by: time, excluding: excluding, limit: limit)
    }

    package func nextDue(in state: TaskState, of service: String) async throws(TaskStoreError) -> Timestamp? {
        try await before(.read("nextDue"))
        return try await base.nextDue(in: state, of: service)
    }

    package func tasks(in state: TaskState, limit: Int) async throws(TaskStoreError) -> [TrackedTask] {
        try await before(.read("tasks"))
        return try await base.tasks(in: state, limit: limit)
    }

    package func overdue(at now: Timestamp, limit: Int) async throws(TaskStoreError) -> [TrackedTask] {
        try await before(.read("overdue"))
        return try await base.overdue(at: now, limit: limit)
    }

    package func nextDeadline() async throws(TaskStoreError) -> Timestamp? {
        try await before(.read("nextDeadline"))
        return try await base.nextDeadline()
    }

    package func owner(of digest: CallbackDigest) async throws(TaskStoreError) -> CallbackOwner? {
        try await before(.read("owner"))
        return try await base.owner(of: digest)
    }

    package func deliveredOutcome(of id: TaskID) async throws(TaskStoreError) -> JSONValue? {
        try await before(.read("deliveredOutcome"))
        return try await base.deliveredOutcome(of: id)
    }

    package func learned(of endpoint: EndpointName) async throws(TaskStoreError) -> [Learned] {
        try await before(.read("learned"))
        return try await base.learned(of: endpoint)
    }

    package func moveSchedule(by jump: Duration) async throws(TaskStoreError) {
        try await before(.write("moveSchedule"))
        try await base.moveSchedule(by: jump)
    }

    package func gates() async throws(TaskStoreError) -> [StoredGate] {
        try await before(.read("gates"))
        return try await base.gates()
    }

    package func save(_ gate: StoredGate) async throws(TaskStoreError) {
        try await before(.write("save"))
        try await base.save(gate)
    }

    package func condition() async -> StorageCondition {
        if let condition = found.withLock({ $0 }) { return condition }
        return await base.condition()
    }

    package func checkContents() async throws(TaskStoreError) {
        try await before(.read("checkContents"))
        try await base.checkContents()
    }

    package func facts() async throws(TaskStoreError) -> StoreFacts {
        try await before(.read("facts"))
        return try await base.facts()
    }
}
