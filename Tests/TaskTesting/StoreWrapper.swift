package import TaskModel
package import TaskStore
package import VerbatimJSON

/// A store that stands before another one.
///
/// Every verb passes through ``around(_:_:)``, so that a wrapper writes down only what it does differently: that one
/// function, or a single verb.
package protocol StoreWrapper: TaskStore {
    /// What stands behind.
    var base: any TaskStore { get }
    /// Does the call, or whatever the wrapper makes of it.
    func around<Value: Sendable>(
        _ call: FaultyStore.Call, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value
}

extension StoreWrapper {
    package func around<Value: Sendable>(
        _ call: FaultyStore.Call, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        try await body()
    }

    private func read<Value: Sendable>(
        _ name: String, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        try await around(.read(name), body)
    }

    private func write<Value: Sendable>(
        _ name: String, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        try await around(.write(name), body)
    }
}

extension StoreWrapper {
    package func insert(_ submission: NewTask) async throws(TaskStoreError) -> Insertion {
        try await write("insert") { () async throws(TaskStoreError) in try await base.insert(submission) }
    }

    package func insert(_ submissions: [NewTask]) async throws(TaskStoreError) -> [Insertion] {
        try await write("insert") { () async throws(TaskStoreError) in try await base.insert(submissions) }
    }

    package func apply(
        _ event: TaskEvent, to id: TaskID, at now: Timestamp, nextDueAt: Timestamp?
    ) async throws(TaskStoreError) -> TaskChange? {
        try await around(.apply([event])) { () async throws(TaskStoreError) in
            try await base.apply(event, to: id, at: now, nextDueAt: nextDueAt)
        }
    }

    package func apply(
        _ batch: [PlannedEvent], at now: Timestamp, teaching lessons: [Lesson]
    ) async throws(TaskStoreError) -> [TaskChange] {
        try await around(.apply(batch.map(\.event))) { () async throws(TaskStoreError) in
            try await base.apply(batch, at: now, teaching: lessons)
        }
    }

    package func postpone(_ ids: [TaskID], until nextDueAt: Timestamp) async throws(TaskStoreError) {
        try await write("postpone") { () async throws(TaskStoreError) in
            try await base.postpone(ids, until: nextDueAt)
        }
    }

    package func settle(
        service: String, attemptedIn window: ClosedRange<Timestamp>, candidates: Set<RemoteTaskID>, at now: Timestamp,
        deciding decide: @escaping @Sendable (UncertainView) -> [PlannedEvent]
    ) async throws(TaskStoreError) -> [TaskChange] {
        try await write("settle") { () async throws(TaskStoreError) in
            try await base.settle(
                service: service, attemptedIn: window, candidates: candidates, at: now, deciding: decide)
        }
    }

    package func bringForward(
        in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp
    ) async throws(TaskStoreError) -> Int {
        try await write("bringForward") { () async throws(TaskStoreError) in
            try await base.bringForward(in: state, dueAfter: latest, to: now)
        }
    }

    package func save(_ gate: StoredGate) async throws(TaskStoreError) {
        try await write("save") { () async throws(TaskStoreError) in try await base.save(gate) }
    }
}

extension StoreWrapper {
    package func task(_ id: TaskID) async throws(TaskStoreError) -> TrackedTask? {
        try await read("task") { () async throws(TaskStoreError) in try await base.task(id) }
    }

    package func taskWithPayload(_ id: TaskID) async throws(TaskStoreError) -> StoredTask? {
        try await read("taskWithPayload") { () async throws(TaskStoreError) in try await base.taskWithPayload(id) }
    }

    package func task(service: String, remoteID: RemoteTaskID) async throws(TaskStoreError) -> TrackedTask? {
        try await read("taskByRemoteID") { () async throws(TaskStoreError) in
            try await base.task(service: service, remoteID: remoteID)
        }
    }

    package func acceptedNeighbours(
        of id: TaskID, within span: Duration, limit: Int, maxBytes: Int
    ) async throws(TaskStoreError) -> [StoredTask] {
        try await read("acceptedNeighbours") { () async throws(TaskStoreError) in
            try await base.acceptedNeighbours(of: id, within: span, limit: limit, maxBytes: maxBytes)
        }
    }

    package func servicesWithGivenUpAttempts() async throws(TaskStoreError) -> [String] {
        try await read("servicesWithGivenUpAttempts") { () async throws(TaskStoreError) in
            try await base.servicesWithGivenUpAttempts()
        }
    }

    package func givenUpAttempts(
        of service: String, dueBy time: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await read("givenUpAttempts") { () async throws(TaskStoreError) in
            try await base.givenUpAttempts(of: service, dueBy: time, limit: limit)
        }
    }

    package func givenUpAttempts(of task: TaskID) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await read("givenUpAttempts") { () async throws(TaskStoreError) in
            try await base.givenUpAttempts(of: task)
        }
    }

    package func nextGivenUpReading(of service: String) async throws(TaskStoreError) -> Timestamp? {
        try await read("nextGivenUpReading") { () async throws(TaskStoreError) in
            try await base.nextGivenUpReading(of: service)
        }
    }

    package func noteReadings(of attempts: [GivenUpAttempt]) async throws(TaskStoreError) {
        try await write("noteReadings") { () async throws(TaskStoreError) in
            try await base.noteReadings(of: attempts)
        }
    }

    package func ids(withPrefix prefix: String, limit: Int) async throws(TaskStoreError) -> [TaskID] {
        try await read("ids") { () async throws(TaskStoreError) in
            try await base.ids(withPrefix: prefix, limit: limit)
        }
    }

    package func tasks(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int
    ) async throws(TaskStoreError) -> TaskListing {
        try await read("tasksMatching") { () async throws(TaskStoreError) in
            try await base.tasks(matching: filter, after: cursor, limit: limit)
        }
    }

    package func events(
        of id: TaskID, after sequence: Int64, limit: Int
    ) async throws(TaskStoreError) -> [StoredEvent] {
        try await read("events") { () async throws(TaskStoreError) in
            try await base.events(of: id, after: sequence, limit: limit)
        }
    }

    package func counts() async throws(TaskStoreError) -> [TaskCount] {
        try await read("counts") { () async throws(TaskStoreError) in try await base.counts() }
    }

    package func endpointsWithQueue() async throws(TaskStoreError) -> [EndpointName] {
        try await read("endpointsWithQueue") { () async throws(TaskStoreError) in
            try await base.endpointsWithQueue()
        }
    }

    package func queued(
        on endpoint: EndpointName, at now: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("queued") { () async throws(TaskStoreError) in
            try await base.queued(on: endpoint, at: now, limit: limit)
        }
    }

    package func nextQueued(
        on endpoint: EndpointName, after now: Timestamp
    ) async throws(TaskStoreError) -> Timestamp? {
        try await read("nextQueued") { () async throws(TaskStoreError) in
            try await base.nextQueued(on: endpoint, after: now)
        }
    }

    package func inFlight(
        in states: [TaskState], of service: String, upTo most: Int
    ) async throws(TaskStoreError) -> Int {
        try await read("inFlight") { () async throws(TaskStoreError) in
            try await base.inFlight(in: states, of: service, upTo: most)
        }
    }

    package func services(in state: TaskState) async throws(TaskStoreError) -> [String] {
        try await read("services") { () async throws(TaskStoreError) in try await base.services(in: state) }
    }

    package func due(
        in state: TaskState, of service: String, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("due") { () async throws(TaskStoreError) in
            try await base.due(in: state, of: service, by: time, excluding: excluding, limit: limit)
        }
    }

    package func nextDue(in state: TaskState, of service: String) async throws(TaskStoreError) -> Timestamp? {
        try await read("nextDue") { () async throws(TaskStoreError) in
            try await base.nextDue(in: state, of: service)
        }
    }

    package func tasks(in state: TaskState, limit: Int) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("tasks") { () async throws(TaskStoreError) in try await base.tasks(in: state, limit: limit) }
    }

    package func overdue(at now: Timestamp, limit: Int) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("overdue") { () async throws(TaskStoreError) in try await base.overdue(at: now, limit: limit) }
    }

    package func nextDeadline() async throws(TaskStoreError) -> Timestamp? {
        try await read("nextDeadline") { () async throws(TaskStoreError) in try await base.nextDeadline() }
    }

    package func owner(of digest: CallbackDigest) async throws(TaskStoreError) -> CallbackOwner? {
        try await read("owner") { () async throws(TaskStoreError) in try await base.owner(of: digest) }
    }

    package func deliveredOutcome(of id: TaskID) async throws(TaskStoreError) -> JSONValue? {
        try await read("deliveredOutcome") { () async throws(TaskStoreError) in
            try await base.deliveredOutcome(of: id)
        }
    }

    package func learned(of endpoint: EndpointName) async throws(TaskStoreError) -> [Learned] {
        try await read("learned") { () async throws(TaskStoreError) in try await base.learned(of: endpoint) }
    }

    package func moveSchedule(by jump: Duration) async throws(TaskStoreError) {
        try await write("moveSchedule") { () async throws(TaskStoreError) in try await base.moveSchedule(by: jump) }
    }

    package func gates() async throws(TaskStoreError) -> [StoredGate] {
        try await read("gates") { () async throws(TaskStoreError) in try await base.gates() }
    }

    package func condition() async -> StorageCondition { await base.condition() }

    package func checkContents() async throws(TaskStoreError) {
        try await read("checkContents") { () async throws(TaskStoreError) in try await base.checkContents() }
    }

    package func facts() async throws(TaskStoreError) -> StoreFacts {
        try await read("facts") { () async throws(TaskStoreError) in try await base.facts() }
    }
}
