package import TaskModel

/// The queue and the due tasks.
extension TaskStore {
    /// How many tasks there are of each endpoint in each state, by account.
    package func counts() async throws(TaskStoreError) -> [TaskCount] { try await read("counts") { try $0.counts() } }

    /// Queued tasks of an endpoint that may go now, in order of priority, then age; none whose deadline has passed, and none
    /// that the mark covers.
    package func queued(
        on endpoint: EndpointName, after mark: TaskMark? = nil, at now: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("queued") {
            try $0.queued(on: endpoint, after: mark?.key ?? 0, at: now, limit: limit)
        }
    }

    /// The mark that covers all tasks that there are.
    package func mark() async throws(TaskStoreError) -> TaskMark {
        try await read("mark") { TaskMark(key: try $0.latestKey()) }
    }

    /// A page of queued tasks of an endpoint with their requests, oldest first: those that `mark` covers and `earlier` does
    /// not. Returns also the mark that covers the page.
    package func queuedPage(
        on endpoint: EndpointName, after earlier: TaskMark?, through mark: TaskMark, limit: Int
    ) async throws(TaskStoreError) -> (tasks: [TaskWithPayload], mark: TaskMark)? {
        try await read("queuedPage") { rows in
            let texts = try rows.queued(on: endpoint, after: earlier?.key ?? 0, through: mark.key, limit: limit)
            guard let last = texts.last else { return nil }
            return (try texts.map { try $0.stored }, TaskMark(key: last.key))
        }
    }

    /// When the next queued task of an endpoint that is not ready yet becomes so.
    package func nextQueued(
        on endpoint: EndpointName, after now: Timestamp
    ) async throws(TaskStoreError) -> Timestamp? {
        try await read("nextQueued") { try $0.earliest(.queued(endpoint, after: now)) }
    }

    /// Services that have tasks in that state, by account.
    package func services(in state: TaskState) async throws(TaskStoreError) -> [AccountService] {
        try await read("services") { try $0.services(with: .tasks(state)) }
    }

    /// Tasks of a service in that state that are due by then, most overdue first, but for those excluded.
    package func due(
        in state: TaskState, of service: AccountService, by time: Timestamp, excluding: Set<TaskID> = [], limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("due", excluding.isEmpty ? .statement : .snapshot) {
            try $0.due(in: state, of: service, by: time, excluding: excluding, limit: limit)
        }
    }

    /// When the first task of a service in that state is due.
    package func nextDue(in state: TaskState, of service: AccountService) async throws(TaskStoreError) -> Timestamp? {
        try await read("nextDue") { try $0.earliest(.due(state, service: service)) }
    }

    /// Tasks in that state, oldest first.
    package func tasks(in state: TaskState, limit: Int) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("tasks") { try $0.tasks(in: state, limit: limit) }
    }

    /// Queued and running tasks whose deadline has passed.
    package func overdue(at now: Timestamp, limit: Int) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("overdue") { try $0.overdue(at: now, limit: limit) }
    }

    /// The first deadline of a queued or running task.
    package func nextDeadline() async throws(TaskStoreError) -> Timestamp? {
        try await read("nextDeadline") { try $0.earliest(.deadline) }
    }

    /// Puts off the next look at tasks, where they are still open; their states and log stay as they are.
    package func postpone(_ ids: [TaskID], until nextDueAt: Timestamp) async throws(TaskStoreError) {
        guard !ids.isEmpty else { return }
        try await write("postpone") { try $0.setDue(ids, at: nextDueAt) }
    }

    /// Brings forward to `now` what is due later than `latest`, which only a clock that was set back explains.
    package func bringForward(
        in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp
    ) async throws(TaskStoreError) -> Int {
        try await write("bringForward") { try $0.bringForward(in: state, dueAfter: latest, to: now) }
    }

    /// Moves along with a jump of the wall clock what the schedule of open tasks rests on: when they are due, from when their
    /// age counts, when they were last seen unfinished. Of queued tasks only the due time has to do with the clock.
    package func moveSchedule(by jump: Duration, at now: Timestamp) async throws(TaskStoreError) {
        try await commit(.write("moveSchedule")) { changes in
            let transaction = changes.transaction
            for state in [TaskState.running, .uncertain, .queued] {
                try transaction.moveSchedule(in: state, by: jump)
            }
            for state in [TaskState.submitting, .uncertain] {
                for row in try transaction.open(in: state) {
                    var task = row.task
                    task.attempt?.clockJumped(by: jump)
                    changes.change(row, to: task)
                }
            }
            try transaction.moveGivenUp(by: jump)
            changes.append(.clockSet(by: jump, at: now))
        }
    }
}
