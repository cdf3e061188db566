package import TaskModel

/// Reads the queue and the due tasks, and moves due times.
extension TaskStore {
    /// The number of tasks of each endpoint in each state, by account.
    package func counts() async throws(TaskStoreError) -> [TaskCount] { try await read("counts") { try $0.counts() } }

    /// Queued tasks of an endpoint that may be sent now, by priority, then age. Tasks past their deadline and those
    /// that the mark covers are omitted.
    package func queued(
        on endpoint: EndpointName, after mark: TaskMark? = nil, at now: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask] {
        try await read("queued") {
            try $0.queued(on: endpoint, after: mark?.key ?? 0, at: now, limit: limit)
        }
    }

    /// The mark that covers all existing tasks.
    package func mark() async throws(TaskStoreError) -> TaskMark {
        try await read("mark") { TaskMark(key: try $0.latestKey()) }
    }

    /// A page of queued tasks of an endpoint with their requests, oldest first: those that `mark` covers and `earlier`
    /// does not. Also returns the mark that covers the page.
    package func queuedPage(
        on endpoint: EndpointName, after earlier: TaskMark?, through mark: TaskMark, limit: Int
    ) async throws(TaskStoreError) -> (tasks: [TaskWithPayload], mark: TaskMark)? {
        try await read("queuedPage") { rows in
            let texts = try rows.queued(on: endpoint, after: earlier?.key ?? 0, through: mark.key, limit: limit)
            guard let last = texts.last else { return nil }
            return (try texts.map { try $0.stored }, TaskMark(key: last.key))
        }
    }

    /// When the next waiting task in the queue of an endpoint becomes due.
    package func nextQueued(
        on endpoint: EndpointName, after now: Timestamp
    ) async throws(TaskStoreError) -> Timestamp? {
        try await read("nextQueued") { try $0.earliest(.queued(endpoint, after: now)) }
    }

    /// Services that have tasks in that state, by account.
    package func services(in state: TaskState) async throws(TaskStoreError) -> [AccountService] {
        try await read("services") { try $0.services(with: .tasks(state)) }
    }

    /// Tasks of a service in that state that are due by then, most overdue first, without those excluded.
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

    /// Postpones the due time of open tasks. Their states and log stay unchanged.
    package func postpone(_ ids: [TaskID], until nextDueAt: Timestamp) async throws(TaskStoreError) {
        guard !ids.isEmpty else { return }
        try await write("postpone") { try $0.setDue(ids, at: nextDueAt) }
    }

    /// Makes tasks due at `now` that are due later than `latest`. Returns their number.
    ///
    /// Those in `exceptions` keep their time if it is not later than `last`.
    package func bringForward(
        in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp, except exceptions: Set<TaskID> = [],
        dueBy last: Timestamp? = nil
    ) async throws(TaskStoreError) -> Int {
        try await write("bringForward") { transaction in
            let known = exceptions.isEmpty ? [] : try transaction.tasks(exceptions.sorted())
            let kept = known.compactMap { row -> (id: TaskID, due: Timestamp)? in
                guard let due = row.task.nextDueAt, row.task.state == state, due > latest, due <= last ?? latest
                else { return nil }
                return (row.task.id, due)
            }
            let count = try transaction.bringForward(in: state, dueAfter: latest, to: now)
            for task in kept { try transaction.setDue([task.id], at: task.due) }
            return count - kept.count
        }
    }

    /// Makes files that wait due at `now` if their next attempt is later than `latest`, as after a clock that was ahead.
    package func bringArtefactsForward(
        dueAfter latest: Timestamp, to now: Timestamp
    ) async throws(TaskStoreError) -> Int {
        try await write("bringArtefactsForward") { try $0.bringArtefactsForward(dueAfter: latest, to: now) }
    }

    /// Moves the schedule of open tasks by a jump of the wall clock. The schedule is the due time, the start of their
    /// age, and the time of the last pending poll. Of queued tasks only the due time depends on the clock.
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
            try transaction.moveArtefacts(by: jump)
            changes.append(.clockSet(by: jump, at: now))
        }
    }
}
