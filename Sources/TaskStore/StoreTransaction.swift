package import TaskModel

/// The row primitives for reading, in one transaction or read.
///
/// Primitives take lists: one statement with arrays in a remote database, one prepared statement in a loop in an
/// embedded one. They make no decisions; ``TaskStore`` has the rules.
package protocol StoreSnapshot {
    /// The existing tasks among these.
    func tasks(_ ids: [TaskID]) throws -> [TaskRow]
    /// The same with documents.
    func texts(of ids: [TaskID], _ scope: DocumentScope) throws -> [TaskTexts]
    /// A page of tasks, newest first; ends after `limit` rows, or sooner with the row that exceeds `maxBytes`. Documents
    /// that are not asked for are neither read nor counted.
    func page(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int, maxBytes: Int,
        with documents: ListedDocuments
    ) throws -> [TaskTexts]
    /// The number of tasks that the filter selects, at most `limit`.
    func count(matching filter: TaskFilter, upTo limit: Int) throws -> Int
    /// The names of labels in their order, or the values of the label with that name; those with that prefix.
    func labels(named name: String?, withPrefix prefix: String, limit: Int) throws -> [String]
    /// The ids with that prefix.
    func ids(withPrefix prefix: String, limit: Int) throws -> [TaskID]

    /// The number of tasks of each endpoint in each state, by account.
    func counts() throws -> [TaskCount]
    /// The services of accounts that match the query, sorted.
    func services(with what: ServiceQuery) throws -> [AccountService]

    /// Tasks of an endpoint with a smaller key, newest first.
    func tasks(of endpoint: EndpointName, before key: Int64, limit: Int) throws -> [TaskRow]
    /// Tasks in that state, oldest first.
    func tasks(in state: TaskState, limit: Int) throws -> [TrackedTask]
    /// Open tasks of a service in that state that are due by then, most overdue first, without those excluded.
    func due(
        in state: TaskState, of service: AccountService, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) throws -> [TrackedTask]
    /// Queued tasks of an endpoint with a greater key that are due and before their deadline, by priority, then age.
    func queued(on endpoint: EndpointName, after key: Int64, at now: Timestamp, limit: Int) throws -> [TrackedTask]
    /// Queued tasks of an endpoint with their requests, by key: those after the first key, up to the last.
    func queued(on endpoint: EndpointName, after key: Int64, through last: Int64, limit: Int) throws -> [TaskTexts]
    /// The key of the newest task; 0 if there is none.
    func latestKey() throws -> Int64
    /// Queued and running tasks whose deadline has passed.
    func overdue(at now: Timestamp, limit: Int) throws -> [TrackedTask]
    /// The earliest time of that kind.
    func earliest(_ time: TimeQuery) throws -> Timestamp?

    /// Open tasks of a service in that state with their requests, oldest first. With a window, only those whose latest
    /// attempt began in it.
    func attempted(in state: TaskState, of service: ServiceName, within window: ClosedRange<Timestamp>?) throws
        -> [TaskTexts]
    /// Tasks of the same endpoint that were submitted in the period and arrived just before or after that one. They
    /// have an attempt and a remote id of the account. ``AccountName/unknown`` stands for all accounts.
    func neighbours(
        of row: TaskRow, by account: AccountName, submittedIn period: ClosedRange<Timestamp>
    ) throws -> [TrackedTask]
    /// The holders of these remote ids in a service, newest task first.
    func holders(of ids: [RemoteTaskID], service: ServiceName) throws -> [RemoteIDHolder]
    /// Given-up attempts.
    func givenUp(_ query: GivenUpQuery) throws -> [GivenUpRow]

    /// The existing rows of these keys.
    func keys(_ keys: [String]) throws -> [KeyRow]
    /// The existing rows of these tokens.
    func tokens(_ digests: [CallbackDigest]) throws -> [TokenRow]
    /// The stored bodies of these tasks, each with whether a delivery to the latest attempt reported an end.
    func bodies(of ids: [TaskID]) throws -> [(body: DeliveredBody, latestIsFinal: Bool)]
    /// The stored results of the tasks with these keys, in order.
    func results(of keys: [Int64]) throws -> [TaskResults]
    /// The log after that place, oldest first, for one task or for all.
    func events(of task: TaskID?, after sequence: Int64, limit: Int) throws -> [LogRow]
    /// The lines about tasks that the filter selects, between the two places, oldest first, each with its task. It ends
    /// after `limit` lines, or sooner with the line that exceeds `maxBytes`.
    func lines(
        matching filter: EventFilter, after: Int64, through: Int64, limit: Int, maxBytes: Int
    ) throws -> [TaskLine]
    /// The statistics of an endpoint, for all its tasks and for each model.
    func statistics(of endpoint: EndpointName) throws -> [StatisticsRow]
    /// The existing rows of these keys.
    func statistics(_ keys: [StatisticsKey]) throws -> [StatisticsRow]
    /// Ended tasks that are not pinned, in the order of their ends, then of their keys.
    func ended(_ query: EndedQuery) throws -> [TaskRow]
    /// The size of these parts of these tasks.
    func size(of parts: RemovedDetails.Parts, of keys: [Int64]) throws -> DetailSize
    /// Tasks without details, in the order of their ends, then of their keys.
    func stubs(_ query: StubQuery) throws -> [TaskRow]
    /// The idempotency keys of the tasks with these keys.
    func idempotencyKeys(of keys: [Int64]) throws -> [String]
    /// The log's lines about the daemon, written by that time, oldest first.
    func daemonLines(by time: Timestamp, limit: Int) throws -> [Int64]
    /// The oldest lines of these kinds about a task.
    func oldestLines(of key: Int64, kinds: [String], limit: Int) throws -> [Int64]
    /// Files that are to be fetched by then from other hosts than these, in the order in which their URLs expire.
    func artefacts(dueBy time: Timestamp, notFrom hosts: [String], limit: Int) throws -> [Artefact]
    /// When the next file is to be fetched.
    func nextArtefact() throws -> Timestamp?
    /// The files of a task's results, in their order.
    func artefacts(of key: Int64) throws -> [Artefact]
    /// One file of those that have this digest and are so; nil if there is none.
    func artefact(withDigest sha256: String, _ condition: ArtefactCondition) throws -> Artefact?
    /// The digests of saved files after that one, in their order.
    func savedDigests(after sha256: String, limit: Int) throws -> [String]
    /// Files of tasks that are not pinned, saved by that time, in the order of that, then of the keys of their tasks; those after
    /// the place.
    func artefacts(savedBy time: Timestamp, after place: (savedAt: Timestamp, key: Int64)?, limit: Int) throws
        -> [StoredArtefact]
    /// Saved files whose contents a client has had for each result that has them, and none of a pinned task; in the order of
    /// delivery.
    func deliveredArtefacts(limit: Int) throws -> [Artefact]
    /// Files that are to be removed, longest saved first.
    func artefactsToRemove(limit: Int) throws -> [Artefact]
    /// How many files wait.
    func artefactCounts() throws -> ArtefactCounts
    /// All circuits.
    func circuits() throws -> [CircuitState]
    /// All leases.
    func leases() throws -> [Lease]
    /// The time of the database's clock, which decides whether a lease has expired.
    func now() throws -> Timestamp
    /// All destinations of notifications.
    func destinations() throws -> [DestinationRow]
    func deliveries(_ query: DeliveryQuery) throws -> [DeliveryRow]
    /// How many deliveries each destination has in each condition.
    func deliveryCounts() throws -> [DeliveryCount]
    /// Which of the tasks with these keys have a delivery that waits, or a line in the log after that place.
    func undelivered(of keys: [Int64], after sequence: Int64) throws -> Set<Int64>
    /// The place of the last line in the log that is older than that; 0 if there is none.
    func lastEvent(before time: Timestamp) throws -> Int64
    /// The exchanges of the gateway with that content key.
    func exchanges(with contentKey: [UInt8]) throws -> [Exchange]
    /// The exchanges of the gateway that were delivered since that time, or ever, the latest first, at most 10,000.
    func deliveredExchanges(since time: Timestamp?) throws -> [(task: TaskID, fate: ExchangeFate)]
    /// What a program sent with a task besides the members of its request.
    func passedMessage(of task: TaskID) throws -> PassedMessage?
    /// The provider's reply to the submission of a task.
    func submissionReply(of task: TaskID) throws -> SubmissionReply?
    /// The tokens of local programs, by name.
    func localTokens() throws -> [LocalToken]
    /// The latest submissions with that content that may be joined, oldest first.
    func joinable(with contentKey: [UInt8]) throws -> [JoinableSubmission]
    /// The values of the records of the tasks with these keys that are in files.
    func parts(of keys: [Int64]) throws -> [TaskParts]
    /// Whether a record has a value in the file with that digest.
    func hasPart(_ sha256: String) throws -> Bool
    /// Files that may be removed, by their digests.
    func partsToRemove(limit: Int) throws -> [String]
    /// The bytes of a file that a backup contains; of any one for nil.
    func packedPart(_ sha256: String?) throws -> PackedPart?
    /// The lines of the ledger about a task, oldest first.
    func ledger(of task: TaskID) throws -> [LedgerEntry]
    /// The sums of the ledger over attempts that started in that time.
    func ledgerSums(from start: Timestamp, until end: Timestamp?, byDay: Bool) throws -> [LedgerSum]
    /// Attempts of the ledger that started before that and are not open, the earliest first.
    func settledAttempts(startedBefore time: Timestamp, limit: Int) throws -> [SettledAttempt]
    /// All budgets, by name.
    func budgets() throws -> [BudgetRow]
    /// What a budget counts in the period that begins then, by share.
    func meters(of budget: String, from start: Timestamp) throws -> [BudgetMeter]
    /// What a share of a budget counts in the period that begins then; nil if nothing was counted.
    func meter(of budget: String, share: String, from start: Timestamp) throws -> BudgetMeter?
    /// The budget that holds a task.
    func hold(of task: TaskID) throws -> BudgetHold?
    /// The parts of budgets that hold tasks.
    func heldShares() throws -> [BudgetShare]
    /// Held tasks that cost no more than that, those without a price first, then the cheapest; with their due times.
    func held(by share: BudgetShare, upTo micros: Int64, limit: Int) throws -> [(hold: BudgetHold, dueAt: Timestamp)]
    /// A person's consent that the task with that key exceeds its budgets.
    func approval(of key: Int64) throws -> BudgetApproval?
    /// The stored facts about the database.
    func meta() throws -> [MetaName: String]
    /// Identifies the server and what it continues. Another text means that the last commits may be missing, because a standby
    /// took over or an older copy was restored. Nil if the database is a file of this machine.
    func serverIdentity() throws -> String?
    /// The place of the last line that was ever written, 0 for none, and the time of the last line that still exists.
    func latestEvent() throws -> (sequence: Int64, at: Timestamp?)
}

/// The row primitives for reading and writing.
package protocol StoreTransaction: StoreSnapshot {
    /// Inserts tasks with their documents and labels; returns their keys, in order.
    func insert(_ tasks: [NewTaskRow]) throws -> [Int64]
    /// Writes the changed columns of these tasks. Each row must still be in the state before its change.
    func update(_ tasks: [TaskUpdate]) throws
    /// Appends lines to the log; returns their places, in order.
    func append(_ lines: [NewLogLine]) throws -> [Int64]
    /// Inserts idempotency keys.
    func insert(_ keys: [NewKey]) throws
    /// Inserts callback tokens.
    func insert(_ tokens: [NewToken]) throws
    /// Counts deliveries to these attempts.
    func count(_ deliveries: [CountedDelivery]) throws
    /// Stores one body for each task.
    func put(_ bodies: [DeliveredBody]) throws
    /// Deletes the bodies of these tasks.
    func dropBodies(of keys: [Int64]) throws
    /// Replaces the results of these tasks.
    func put(_ results: [TaskResults]) throws
    /// Inserts files of the task with that key, but for those that are there.
    func insert(_ artefacts: [Artefact], of key: Int64) throws
    /// Stores a file in place of what is known of it.
    func put(_ artefact: Artefact, of key: Int64) throws
    /// Notes that a client has had the files with that digest, but for those that one had before.
    func noteDelivery(of sha256: String, at time: Timestamp) throws
    /// Stores or replaces given-up attempts.
    func put(_ attempts: [GivenUpRow]) throws
    /// Deletes the attempt with that number of a task.
    func dropGivenUp(_ number: Int, of key: Int64) throws
    /// Deletes these parts of these tasks. Returns the place of the last deleted line of the log.
    func removeDetails(_ parts: RemovedDetails.Parts, of keys: [Int64]) throws -> Int64?
    /// Deletes the idempotency keys of these tasks.
    func dropKeys(of keys: [Int64]) throws
    /// Deletes ended tasks with all their rows and updates the counts. Returns the place of their last line of the log.
    func removeTasks(_ keys: [Int64]) throws -> Int64?
    /// Deletes lines of the log.
    func dropLines(_ sequences: [Int64]) throws
    /// Deletes the tokens of a task's attempts up to that number.
    func dropTokens(of key: Int64, upToAttempt number: Int) throws
    /// Stores or replaces statistics.
    func put(_ statistics: [StatisticsRow]) throws
    /// Stores or replaces circuits.
    func put(_ circuits: [CircuitState]) throws
    /// Stores or replaces leases.
    func put(_ leases: [Lease]) throws
    /// Deletes the leases with these names.
    func drop(_ leases: [LeaseName]) throws
    /// Stores destinations of notifications, in place of those with their names.
    func put(_ destinations: [DestinationRow]) throws
    /// Drops destinations with all their deliveries.
    func drop(_ destinations: [DestinationName]) throws
    /// Stores deliveries, in place of what is there.
    func put(_ deliveries: [DeliveryRow]) throws
    /// Drops the deliveries of events at these places.
    func drop(_ sequences: [Int64], of destination: DestinationName) throws
    /// Stores or replaces a fact about the database.
    func put(_ name: MetaName, _ value: String) throws
    /// Deletes a fact about the database.
    func drop(_ name: MetaName) throws
    /// Changes the counts of tasks.
    func add(_ counts: [TaskCountDelta]) throws
    /// Opens an exchange of the task with that key.
    func insert(_ arrival: PassedSubmission.Arrival, of key: Int64, at now: Timestamp) throws
    /// Gives open exchanges their fates. Those whose replies were received are dropped.
    func settle(_ fates: [ExchangeFate]) throws
    /// Gives every open exchange the fate of an undelivered one.
    func endOpenExchanges(at now: Timestamp) throws
    /// Declares undelivered what is open at the process with that token.
    func endOpenExchanges(of token: LeaseToken, at now: Timestamp) throws
    /// Drops an exchange.
    func drop(_ exchange: Exchange) throws
    /// Drops exchanges whose fate was known by these times.
    func dropExchanges(deliveredBy delivered: Timestamp, undeliveredBy undelivered: Timestamp, limit: Int) throws
    /// Keeps what a program sent with the task with that key.
    func insert(_ message: PassedMessage, of key: Int64) throws
    /// Keeps the reply to the submission of the task with that key.
    func put(_ reply: SubmissionReply, of key: Int64) throws
    /// Has the files with these digests removed.
    func noteRemovable(_ digests: [String]) throws
    /// Ends that the file with that digest is to be removed.
    func dropRemovable(_ sha256: String) throws
    /// Drops what a backup contains of a file.
    func dropPackedPart(_ sha256: String) throws
    /// Inserts a token of local programs.
    func insert(_ token: LocalToken) throws
    /// Drops a token of local programs.
    func dropLocalToken(named name: String) throws
    /// Lets equal submissions join the task with that key.
    func insertJoinable(_ contentKey: [UInt8], of key: Int64) throws
    /// Notes that the agent was shown that end of the task with that key, if equal submissions join it.
    func noteCollection(of end: Timestamp, key: Int64) throws
    /// Ends that submissions join the tasks with these keys.
    func dropJoinable(_ keys: [Int64]) throws
    /// Appends lines to the ledger.
    func append(_ entries: [LedgerEntry]) throws
    /// Stores budgets, in place of those with their names.
    func put(_ budgets: [BudgetRow]) throws
    /// Drops budgets with all that they count.
    func dropBudgets(_ names: [String]) throws
    /// Stores what a budget counts, in place of what is there.
    func put(_ meter: BudgetMeter) throws
    /// Drops what a share of a budget counted in periods that began before that.
    func dropMeters(of budget: String, share: String, before start: Timestamp) throws
    /// Notes which budget holds the task with that key.
    func put(_ hold: BudgetHold, of key: Int64) throws
    /// Notes that no budget holds the task with that key.
    func dropHold(of key: Int64) throws
    /// Stores a person's consent about the task with that key.
    func put(_ approval: BudgetApproval, of key: Int64) throws
    /// Deletes the lines of the ledger about these attempts.
    func drop(_ attempts: [SettledAttempt]) throws

    /// Sets the due time of the open ones among these tasks.
    func setDue(_ ids: [TaskID], at time: Timestamp) throws
    /// Makes tasks in that state due at `now` if they are due later than `latest`, but no sooner than their request
    /// allows. Returns their number.
    func bringForward(in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp) throws -> Int
    /// Moves the schedule of tasks in that state. Of queued ones it moves only the due time, but no sooner than their
    /// request allows.
    func moveSchedule(in state: TaskState, by jump: Duration) throws
    /// All open tasks in that state, oldest first.
    func open(in state: TaskState) throws -> [TaskRow]
    /// Adds a jump of the clock to given-up attempts, and moves their times.
    func moveGivenUp(by jump: Duration) throws
    /// Moves the next attempts at files that wait.
    func moveArtefacts(by jump: Duration) throws
    /// Makes files that wait due at `now` if their next attempt is later than `latest`. Returns their number.
    func bringArtefactsForward(dueAfter latest: Timestamp, to now: Timestamp) throws -> Int
}

/// The documents of a task that a read returns.
package enum DocumentScope: Sendable, Hashable {
    case all
    case requestOnly
    /// Up to that length. A longer record is omitted, and so is a task with a longer request. Values that are in files do not
    /// count, and are empty.
    case upTo(bytes: Int)
}

/// Selects ended tasks.
package struct EndedQuery: Sendable {
    package let state: TaskState
    /// The parts that were removed before, exactly.
    package let lacking: RemovedDetails.Parts
    package let endedBy: Timestamp
    /// The position after which the tasks begin; nil for all.
    package let after: (endedAt: Timestamp, key: Int64)?
    package let limit: Int
}

/// Selects tasks without details.
package struct StubQuery: Sendable {
    /// Whether their idempotency keys, if they had any, were removed.
    package let isKeyless: Bool
    package let endedBy: Timestamp
    /// The position after which the tasks begin; nil for all.
    package let after: (endedAt: Timestamp, key: Int64)?
    package let limit: Int
}

/// The size of details.
package struct DetailSize: Sendable, Hashable {
    /// The number of lines of the log.
    package var events: Int
    /// The length of texts, without the overhead of rows and indexes.
    package var bytes: Int64

    package init(events: Int = 0, bytes: Int64 = 0) {
        self.events = events
        self.bytes = bytes
    }
}

/// Selects services.
package enum ServiceQuery: Sendable, Hashable {
    /// Services with open tasks in that state.
    case tasks(TaskState)
    /// Services with given-up attempts that must be looked up again.
    case givenUpAttempts
}

/// Selects a time.
package enum TimeQuery: Sendable, Hashable {
    /// When an open task of the service in that state is due.
    case due(TaskState, service: AccountService)
    /// When a queued task of the endpoint is due, after that point.
    case queued(EndpointName, after: Timestamp)
    /// The deadline of a queued or running task.
    case deadline
    /// When a given-up attempt of the service is looked up again.
    case givenUpReading(service: AccountService)
}

/// Selects given-up attempts.
package enum GivenUpQuery: Sendable {
    /// Those of a service that must be looked up again by then, most overdue first.
    case due(service: AccountService, by: Timestamp, limit: Int)
    /// Those of a service that began in the window and have no record yet, oldest first.
    case begun(service: ServiceName, in: ClosedRange<Timestamp>)
    /// Those of a task that have no record yet, by number.
    case of(TaskID)
    /// The attempt with that number of a task.
    case numbered(Int, of: TaskID)
}
