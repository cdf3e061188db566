package import TaskModel

/// Rows as they are in one transaction or read.
///
/// Primitives take lists: one statement with arrays in a database that is reached over a wire, one prepared statement in a
/// loop in one that is linked in. They decide nothing; rules are ``TaskStore``'s.
package protocol StoreSnapshot {
    /// The tasks that there are of these.
    func tasks(_ ids: [TaskID]) throws -> [TaskRow]
    /// The same with documents.
    func texts(of ids: [TaskID], _ scope: DocumentScope) throws -> [TaskTexts]
    /// A page of tasks, newest first; ends after `limit` rows, or sooner with the row that exceeds `maxBytes`.
    func page(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int, maxBytes: Int
    ) throws -> [TaskTexts]
    /// Ids that begin so.
    func ids(withPrefix prefix: String, limit: Int) throws -> [TaskID]

    /// How many tasks there are of each endpoint in each state, by account.
    func counts() throws -> [TaskCount]
    /// Services of accounts that have what is looked for, in their order.
    func services(with what: ServiceQuery) throws -> [AccountService]

    /// Tasks in that state, oldest first.
    func tasks(in state: TaskState, limit: Int) throws -> [TrackedTask]
    /// Open tasks of a service in that state that are due by then, most overdue first, but for those excluded.
    func due(
        in state: TaskState, of service: AccountService, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) throws -> [TrackedTask]
    /// Queued tasks of an endpoint with a greater key that are due and not over their deadline, in order of priority, then
    /// age.
    func queued(on endpoint: EndpointName, after key: Int64, at now: Timestamp, limit: Int) throws -> [TrackedTask]
    /// Queued tasks of an endpoint with their requests, by key: greater ones than the first, up to the last.
    func queued(on endpoint: EndpointName, after key: Int64, through last: Int64, limit: Int) throws -> [TaskTexts]
    /// The key of the newest task; 0 if there is none.
    func latestKey() throws -> Int64
    /// Queued and running tasks whose deadline has passed.
    func overdue(at now: Timestamp, limit: Int) throws -> [TrackedTask]
    /// The first time of that kind.
    func earliest(_ time: TimeQuery) throws -> Timestamp?

    /// Open tasks of a service in that state with their requests, oldest first; only those whose latest attempt began in the
    /// window, where one is given.
    func attempted(in state: TaskState, of service: ServiceName, within window: ClosedRange<Timestamp>?) throws
        -> [TaskTexts]
    /// Tasks of the same endpoint, with an attempt and a remote id that the account has, which were submitted in the period and
    /// arrived just before or after that one. ``AccountName/unknown`` stands for all accounts.
    func neighbours(
        of row: TaskRow, by account: AccountName, submittedIn period: ClosedRange<Timestamp>
    ) throws -> [TrackedTask]
    /// Who has these remote ids in a service, newest task first.
    func holders(of ids: [RemoteTaskID], service: ServiceName) throws -> [RemoteIDHolder]
    /// Attempts that were given up.
    func givenUp(_ query: GivenUpQuery) throws -> [GivenUpRow]

    /// The rows of these keys that there are.
    func keys(_ keys: [String]) throws -> [KeyRow]
    /// The tokens that there are of these.
    func tokens(_ digests: [CallbackDigest]) throws -> [TokenRow]
    /// The bodies kept of these tasks, each with whether a delivery to the task's latest attempt called it ended.
    func bodies(of ids: [TaskID]) throws -> [(body: DeliveredBody, latestIsFinal: Bool)]
    /// The results stored of the tasks with these keys, in order.
    func results(of keys: [Int64]) throws -> [TaskResults]
    /// The log after that place, oldest first: of one task, or all of it.
    func events(of task: TaskID?, after sequence: Int64, limit: Int) throws -> [LogRow]
    /// The lines about tasks that the filter selects, after that place and up to the other, oldest first, each with its task;
    /// ends after `limit` lines, or sooner with the line that exceeds `maxBytes`.
    func lines(
        matching filter: EventFilter, after: Int64, through: Int64, limit: Int, maxBytes: Int
    ) throws -> [TaskLine]
    /// What is known of an endpoint: of all its tasks, and of each model.
    func statistics(of endpoint: EndpointName) throws -> [StatisticsRow]
    /// The rows of these keys that there are.
    func statistics(_ keys: [StatisticsKey]) throws -> [StatisticsRow]
    /// Ended tasks that are not pinned, in the order of their ends, then of their keys.
    func ended(_ query: EndedQuery) throws -> [TaskRow]
    /// How much these parts of these tasks are.
    func size(of parts: RemovedDetails.Parts, of keys: [Int64]) throws -> DetailSize
    /// Tasks without details, in the order of their ends, then of their keys.
    func stubs(_ query: StubQuery) throws -> [TaskRow]
    /// The idempotency keys of the tasks with these keys.
    func idempotencyKeys(of keys: [Int64]) throws -> [String]
    /// Lines of the log about no task, written by that time, oldest first.
    func daemonLines(by time: Timestamp, limit: Int) throws -> [Int64]
    /// The oldest lines of these kinds about a task.
    func oldestLines(of key: Int64, kinds: [String], limit: Int) throws -> [Int64]
    /// Everything that holds requests back.
    func circuits() throws -> [CircuitState]
    /// All leases.
    func leases() throws -> [Lease]
    /// The exchanges of the gateway with that content key.
    func exchanges(with contentKey: [UInt8]) throws -> [Exchange]
    /// What a program sent with a task besides the members of its request.
    func passedMessage(of task: TaskID) throws -> PassedMessage?
    /// The provider's reply to the submission of a task.
    func submissionReply(of task: TaskID) throws -> SubmissionReply?
    /// The tokens of local programs, by name.
    func localTokens() throws -> [LocalToken]
    /// The facts about the database.
    func meta() throws -> [MetaName: String]
    /// The place of the last line that the log ever had, 0 for none, and the time of the last one that it still has.
    func latestEvent() throws -> (sequence: Int64, at: Timestamp?)
}

/// The same rows, and what a write does to them.
package protocol StoreTransaction: StoreSnapshot {
    /// Inserts tasks with their documents and labels; returns their keys, in order.
    func insert(_ tasks: [NewTaskRow]) throws -> [Int64]
    /// Writes what has changed; each row is still in the state that its change starts from.
    func update(_ tasks: [TaskUpdate]) throws
    /// Appends to the log; returns the places, in order.
    func append(_ lines: [NewLogLine]) throws -> [Int64]
    /// Inserts idempotency keys.
    func insert(_ keys: [NewKey]) throws
    /// Inserts callback tokens.
    func insert(_ tokens: [NewToken]) throws
    /// Counts deliveries with the tokens of these attempts.
    func count(_ deliveries: [CountedDelivery]) throws
    /// Keeps one body for each task.
    func put(_ bodies: [DeliveredBody]) throws
    /// Drops the bodies of these tasks.
    func dropBodies(of keys: [Int64]) throws
    /// Keeps the results of these tasks, in place of what is there.
    func put(_ results: [TaskResults]) throws
    /// Keeps attempts that were given up, in place of what is known of them.
    func put(_ attempts: [GivenUpRow]) throws
    /// Drops the attempt with that number of a task.
    func dropGivenUp(_ number: Int, of key: Int64) throws
    /// Deletes these parts of these tasks; returns the place of the last line of the log among them.
    func removeDetails(_ parts: RemovedDetails.Parts, of keys: [Int64]) throws -> Int64?
    /// Deletes the idempotency keys of these tasks.
    func dropKeys(of keys: [Int64]) throws
    /// Deletes ended tasks with all their rows and updates the counts; returns the place of their last line of the log.
    func removeTasks(_ keys: [Int64]) throws -> Int64?
    /// Deletes lines of the log.
    func dropLines(_ sequences: [Int64]) throws
    /// Deletes the tokens of a task's attempts up to that number.
    func dropTokens(of key: Int64, upToAttempt number: Int) throws
    /// Keeps statistics, in place of what is there.
    func put(_ statistics: [StatisticsRow]) throws
    /// Keeps what holds requests back, in place of what is there.
    func put(_ circuits: [CircuitState]) throws
    /// Stores leases, in place of those with their names.
    func put(_ leases: [Lease]) throws
    /// Drops the leases with these names.
    func drop(_ leases: [LeaseName]) throws
    /// Stores a fact about the database, in place of the one that is there.
    func put(_ name: MetaName, _ value: String) throws
    /// Drops a fact about the database.
    func drop(_ name: MetaName) throws
    /// Changes the counts of tasks.
    func add(_ counts: [TaskCountDelta]) throws
    /// Opens an exchange of the task with that key.
    func insert(_ arrival: PassedSubmission.Arrival, of key: Int64, at now: Timestamp) throws
    /// Gives open exchanges their fates.
    func settle(_ fates: [ExchangeFate]) throws
    /// Gives every open exchange the fate of an undelivered one.
    func endOpenExchanges(at now: Timestamp) throws
    /// Drops an exchange.
    func drop(_ exchange: Exchange) throws
    /// Drops exchanges whose fate was known by these times.
    func dropExchanges(deliveredBy delivered: Timestamp, undeliveredBy undelivered: Timestamp, limit: Int) throws
    /// Keeps what a program sent with the task with that key.
    func insert(_ message: PassedMessage, of key: Int64) throws
    /// Keeps the reply to the submission of the task with that key.
    func put(_ reply: SubmissionReply, of key: Int64) throws
    /// Inserts a token of local programs.
    func insert(_ token: LocalToken) throws
    /// Drops a token of local programs.
    func dropLocalToken(named name: String) throws

    /// Sets the due time of these tasks, where they are open.
    func setDue(_ ids: [TaskID], at time: Timestamp) throws
    /// Makes due at `now` the tasks in that state that are due later than `latest`, though no sooner than asked for; returns
    /// how many.
    func bringForward(in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp) throws -> Int
    /// Moves the times on which the schedule of tasks in that state rests; of queued ones only the due time, though no sooner
    /// than asked for.
    func moveSchedule(in state: TaskState, by jump: Duration) throws
    /// Every open task in that state.
    func open(in state: TaskState) throws -> [TaskRow]
    /// Adds a jump of the clock to attempts that were given up, and moves their times along.
    func moveGivenUp(by jump: Duration) throws
}

/// Which documents of a task are read.
package enum DocumentScope: Sendable, Hashable {
    case all
    case requestOnly
    /// None that is longer: a longer record is left out, and a task with a longer request.
    case upTo(bytes: Int)
}

/// Which ended tasks are asked for.
package struct EndedQuery: Sendable {
    package let state: TaskState
    /// Exactly these parts were removed before.
    package let lacking: RemovedDetails.Parts
    package let endedBy: Timestamp
    /// Those after this one; nil for all.
    package let after: (endedAt: Timestamp, key: Int64)?
    package let limit: Int
}

/// Which tasks without details are asked for.
package struct StubQuery: Sendable {
    /// Whether their idempotency keys, if they had any, were removed before.
    package let isKeyless: Bool
    package let endedBy: Timestamp
    /// Those after this one; nil for all.
    package let after: (endedAt: Timestamp, key: Int64)?
    package let limit: Int
}

/// How much of tasks there is to remove.
package struct DetailSize: Sendable, Hashable {
    /// Lines of the log.
    package var events: Int
    /// The length of texts, without what rows and indexes need.
    package var bytes: Int64

    package init(events: Int = 0, bytes: Int64 = 0) {
        self.events = events
        self.bytes = bytes
    }
}

/// Which services are asked for.
package enum ServiceQuery: Sendable, Hashable {
    /// With open tasks in that state.
    case tasks(TaskState)
    /// With attempts that were given up and are to be looked for again.
    case givenUpAttempts
}

/// Which time is asked for.
package enum TimeQuery: Sendable, Hashable {
    /// When an open task of the service in that state is due.
    case due(TaskState, service: AccountService)
    /// When a queued task of the endpoint is due, after that point.
    case queued(EndpointName, after: Timestamp)
    /// The deadline of a queued or running task.
    case deadline
    /// When an attempt of the service that was given up is looked for again.
    case givenUpReading(service: AccountService)
}

/// Which attempts that were given up are asked for.
package enum GivenUpQuery: Sendable {
    /// Of a service, to be looked for again by then, most overdue first.
    case due(service: AccountService, by: Timestamp, limit: Int)
    /// Of a service, begun in the window, whose records have not turned up, oldest first.
    case begun(service: ServiceName, in: ClosedRange<Timestamp>)
    /// Of a task, whose records have not turned up, in the order of their numbers.
    case of(TaskID)
    /// The one with that number of a task.
    case numbered(Int, of: TaskID)
}
