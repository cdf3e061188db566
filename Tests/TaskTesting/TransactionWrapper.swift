package import TaskModel
package import TaskStore

/// Rows that forward to other rows. A wrapper implements only the primitives that it changes.
package protocol SnapshotWrapper: StoreSnapshot {
    /// The wrapped rows.
    var reading: any StoreSnapshot { get }
}

/// A transaction that forwards to another one.
package protocol TransactionWrapper: SnapshotWrapper, StoreTransaction {
    /// The wrapped transaction.
    var base: any StoreTransaction { get }
}

extension TransactionWrapper {
    package var reading: any StoreSnapshot { base }
}

extension SnapshotWrapper {
    package func parts(of keys: [Int64]) throws -> [TaskParts] {
        try reading.parts(of: keys)
    }

    package func hasPart(_ sha256: String) throws -> Bool {
        try reading.hasPart(sha256)
    }

    package func partsToRemove(limit: Int) throws -> [String] {
        try reading.partsToRemove(limit: limit)
    }

    package func packedPart(_ sha256: String?) throws -> PackedPart? {
        try reading.packedPart(sha256)
    }

    package func tasks(_ ids: [TaskID]) throws -> [TaskRow] {
        try reading.tasks(ids)
    }

    package func texts(of ids: [TaskID], _ scope: DocumentScope) throws -> [TaskTexts] {
        try reading.texts(of: ids, scope)
    }

    package func page(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int, maxBytes: Int,
        with documents: ListedDocuments
    ) throws -> [TaskTexts] {
        try reading.page(matching: filter, after: cursor, limit: limit, maxBytes: maxBytes, with: documents)
    }

    package func count(matching filter: TaskFilter, upTo limit: Int) throws -> Int {
        try reading.count(matching: filter, upTo: limit)
    }

    package func labels(named name: String?, withPrefix prefix: String, limit: Int) throws -> [String] {
        try reading.labels(named: name, withPrefix: prefix, limit: limit)
    }

    package func ids(withPrefix prefix: String, limit: Int) throws -> [TaskID] {
        try reading.ids(withPrefix: prefix, limit: limit)
    }

    package func destinations() throws -> [DestinationRow] {
        try reading.destinations()
    }

    package func deliveries(_ query: DeliveryQuery) throws -> [DeliveryRow] {
        try reading.deliveries(query)
    }

    package func deliveryCounts() throws -> [DeliveryCount] {
        try reading.deliveryCounts()
    }

    package func undelivered(of keys: [Int64], after sequence: Int64) throws -> Set<Int64> {
        try reading.undelivered(of: keys, after: sequence)
    }

    package func lastEvent(before time: Timestamp) throws -> Int64 {
        try reading.lastEvent(before: time)
    }

    package func counts() throws -> [TaskCount] {
        try reading.counts()
    }

    package func services(with what: ServiceQuery) throws -> [AccountService] {
        try reading.services(with: what)
    }

    package func tasks(of endpoint: EndpointName, before key: Int64, limit: Int) throws -> [TaskRow] {
        try reading.tasks(of: endpoint, before: key, limit: limit)
    }

    package func tasks(in state: TaskState, limit: Int) throws -> [TrackedTask] {
        try reading.tasks(in: state, limit: limit)
    }

    package func due(
        in state: TaskState, of service: AccountService, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) throws -> [TrackedTask] {
        try reading.due(in: state, of: service, by: time, excluding: excluding, limit: limit)
    }

    package func queued(
        on endpoint: EndpointName, after key: Int64, through last: Int64, limit: Int
    ) throws -> [TaskTexts] {
        try reading.queued(on: endpoint, after: key, through: last, limit: limit)
    }

    package func latestKey() throws -> Int64 { try reading.latestKey() }

    package func queued(
        on endpoint: EndpointName, after key: Int64, at now: Timestamp, limit: Int
    ) throws -> [TrackedTask] {
        try reading.queued(on: endpoint, after: key, at: now, limit: limit)
    }

    package func overdue(at now: Timestamp, limit: Int) throws -> [TrackedTask] {
        try reading.overdue(at: now, limit: limit)
    }

    package func earliest(_ time: TimeQuery) throws -> Timestamp? {
        try reading.earliest(time)
    }

    package func attempted(in state: TaskState, of service: ServiceName, within window: ClosedRange<Timestamp>?) throws
        -> [TaskTexts]
    {
        try reading.attempted(in: state, of: service, within: window)
    }

    package func neighbours(
        of row: TaskRow, by account: AccountName, submittedIn period: ClosedRange<Timestamp>
    ) throws -> [TrackedTask] {
        try reading.neighbours(of: row, by: account, submittedIn: period)
    }

    package func holders(of ids: [RemoteTaskID], service: ServiceName) throws -> [RemoteIDHolder] {
        try reading.holders(of: ids, service: service)
    }

    package func givenUp(_ query: GivenUpQuery) throws -> [GivenUpRow] {
        try reading.givenUp(query)
    }

    package func keys(_ keys: [String]) throws -> [KeyRow] {
        try reading.keys(keys)
    }

    package func tokens(_ digests: [CallbackDigest]) throws -> [TokenRow] {
        try reading.tokens(digests)
    }

    package func bodies(of ids: [TaskID]) throws -> [(body: DeliveredBody, latestIsFinal: Bool)] {
        try reading.bodies(of: ids)
    }

    package func results(of keys: [Int64]) throws -> [TaskResults] {
        try reading.results(of: keys)
    }

    package func events(of task: TaskID?, after sequence: Int64, limit: Int) throws -> [LogRow] {
        try reading.events(of: task, after: sequence, limit: limit)
    }

    package func lines(
        matching filter: EventFilter, after: Int64, through: Int64, limit: Int, maxBytes: Int
    ) throws -> [TaskLine] {
        try reading.lines(matching: filter, after: after, through: through, limit: limit, maxBytes: maxBytes)
    }

    package func statistics(of endpoint: EndpointName) throws -> [StatisticsRow] {
        try reading.statistics(of: endpoint)
    }

    package func statistics(_ keys: [StatisticsKey]) throws -> [StatisticsRow] {
        try reading.statistics(keys)
    }

    package func ended(_ query: EndedQuery) throws -> [TaskRow] {
        try reading.ended(query)
    }

    package func size(of parts: RemovedDetails.Parts, of keys: [Int64]) throws -> DetailSize {
        try reading.size(of: parts, of: keys)
    }

    package func stubs(_ query: StubQuery) throws -> [TaskRow] {
        try reading.stubs(query)
    }

    package func idempotencyKeys(of keys: [Int64]) throws -> [String] {
        try reading.idempotencyKeys(of: keys)
    }

    package func daemonLines(by time: Timestamp, limit: Int) throws -> [Int64] {
        try reading.daemonLines(by: time, limit: limit)
    }

    package func oldestLines(of key: Int64, kinds: [String], limit: Int) throws -> [Int64] {
        try reading.oldestLines(of: key, kinds: kinds, limit: limit)
    }

    package func artefacts(dueBy time: Timestamp, notFrom hosts: [String], limit: Int) throws -> [Artefact] {
        try reading.artefacts(dueBy: time, notFrom: hosts, limit: limit)
    }

    package func nextArtefact() throws -> Timestamp? { try reading.nextArtefact() }

    package func artefacts(of key: Int64) throws -> [Artefact] { try reading.artefacts(of: key) }

    package func artefact(withDigest sha256: String, _ condition: ArtefactCondition) throws -> Artefact? {
        try reading.artefact(withDigest: sha256, condition)
    }

    package func savedDigests(after sha256: String, limit: Int) throws -> [String] {
        try reading.savedDigests(after: sha256, limit: limit)
    }

    package func artefacts(
        savedBy time: Timestamp, after place: (savedAt: Timestamp, key: Int64)?, limit: Int
    ) throws -> [StoredArtefact] {
        try reading.artefacts(savedBy: time, after: place, limit: limit)
    }

    package func deliveredArtefacts(limit: Int) throws -> [Artefact] { try reading.deliveredArtefacts(limit: limit) }

    package func artefactsToRemove(limit: Int) throws -> [Artefact] { try reading.artefactsToRemove(limit: limit) }

    package func artefactCounts() throws -> ArtefactCounts { try reading.artefactCounts() }

    package func circuits() throws -> [CircuitState] {
        try reading.circuits()
    }

    package func exchanges(with contentKey: [UInt8]) throws -> [Exchange] {
        try reading.exchanges(with: contentKey)
    }

    package func deliveredExchanges(since time: Timestamp?) throws -> [(task: TaskID, fate: ExchangeFate)] {
        try reading.deliveredExchanges(since: time)
    }

    package func joinable(with contentKey: [UInt8]) throws -> [JoinableSubmission] {
        try reading.joinable(with: contentKey)
    }

    package func passedMessage(of task: TaskID) throws -> PassedMessage? {
        try reading.passedMessage(of: task)
    }

    package func submissionReply(of task: TaskID) throws -> SubmissionReply? {
        try reading.submissionReply(of: task)
    }

    package func localTokens() throws -> [LocalToken] {
        try reading.localTokens()
    }

    package func now() throws -> Timestamp { try reading.now() }

    package func leases() throws -> [Lease] {
        try reading.leases()
    }

    package func meta() throws -> [MetaName: String] {
        try reading.meta()
    }

    package func serverIdentity() throws -> String? {
        try reading.serverIdentity()
    }

    package func latestEvent() throws -> (sequence: Int64, at: Timestamp?) {
        try reading.latestEvent()
    }

    package func ledger(of task: TaskID) throws -> [LedgerEntry] {
        try reading.ledger(of: task)
    }

    package func ledgerSums(from start: Timestamp, until end: Timestamp?, byDay: Bool) throws -> [LedgerSum] {
        try reading.ledgerSums(from: start, until: end, byDay: byDay)
    }

    package func settledAttempts(startedBefore time: Timestamp, limit: Int) throws -> [SettledAttempt] {
        try reading.settledAttempts(startedBefore: time, limit: limit)
    }

    package func budgets() throws -> [BudgetRow] {
        try reading.budgets()
    }

    package func meters(of budget: String, from start: Timestamp) throws -> [BudgetMeter] {
        try reading.meters(of: budget, from: start)
    }

    package func meter(of budget: String, share: String, from start: Timestamp) throws -> BudgetMeter? {
        try reading.meter(of: budget, share: share, from: start)
    }

    package func hold(of task: TaskID) throws -> BudgetHold? {
        try reading.hold(of: task)
    }

    package func heldShares() throws -> [BudgetShare] {
        try reading.heldShares()
    }

    package func held(
        by share: BudgetShare, upTo micros: Int64, limit: Int
    ) throws -> [(hold: BudgetHold, dueAt: Timestamp)] {
        try reading.held(by: share, upTo: micros, limit: limit)
    }

    package func approval(of key: Int64) throws -> BudgetApproval? {
        try reading.approval(of: key)
    }
}

extension TransactionWrapper {
    package func noteRemovable(_ digests: [String]) throws {
        try base.noteRemovable(digests)
    }

    package func dropRemovable(_ sha256: String) throws {
        try base.dropRemovable(sha256)
    }

    package func dropPackedPart(_ sha256: String) throws {
        try base.dropPackedPart(sha256)
    }

    package func insert(_ tasks: [NewTaskRow]) throws -> [Int64] {
        try base.insert(tasks)
    }

    package func update(_ tasks: [TaskUpdate]) throws {
        try base.update(tasks)
    }

    package func append(_ lines: [NewLogLine]) throws -> [Int64] {
        try base.append(lines)
    }

    package func insert(_ keys: [NewKey]) throws {
        try base.insert(keys)
    }

    package func insert(_ tokens: [NewToken]) throws {
        try base.insert(tokens)
    }

    package func count(_ deliveries: [CountedDelivery]) throws {
        try base.count(deliveries)
    }

    package func put(_ bodies: [DeliveredBody]) throws {
        try base.put(bodies)
    }

    package func dropBodies(of keys: [Int64]) throws {
        try base.dropBodies(of: keys)
    }

    package func put(_ results: [TaskResults]) throws {
        try base.put(results)
    }

    package func insert(_ artefacts: [Artefact], of key: Int64) throws {
        try base.insert(artefacts, of: key)
    }

    package func put(_ artefact: Artefact, of key: Int64) throws {
        try base.put(artefact, of: key)
    }

    package func noteDelivery(of sha256: String, at time: Timestamp) throws {
        try base.noteDelivery(of: sha256, at: time)
    }

    package func put(_ attempts: [GivenUpRow]) throws {
        try base.put(attempts)
    }

    package func dropGivenUp(_ number: Int, of key: Int64) throws {
        try base.dropGivenUp(number, of: key)
    }

    package func removeDetails(_ parts: RemovedDetails.Parts, of keys: [Int64]) throws -> Int64? {
        try base.removeDetails(parts, of: keys)
    }

    package func dropKeys(of keys: [Int64]) throws {
        try base.dropKeys(of: keys)
    }

    package func removeTasks(_ keys: [Int64]) throws -> Int64? {
        try base.removeTasks(keys)
    }

    package func dropLines(_ sequences: [Int64]) throws {
        try base.dropLines(sequences)
    }

    package func dropTokens(of key: Int64, upToAttempt number: Int) throws {
        try base.dropTokens(of: key, upToAttempt: number)
    }

    package func put(_ statistics: [StatisticsRow]) throws {
        try base.put(statistics)
    }

    package func put(_ circuits: [CircuitState]) throws {
        try base.put(circuits)
    }

    package func put(_ leases: [Lease]) throws {
        try base.put(leases)
    }

    package func drop(_ leases: [LeaseName]) throws {
        try base.drop(leases)
    }

    package func put(_ destinations: [DestinationRow]) throws {
        try base.put(destinations)
    }

    package func drop(_ destinations: [DestinationName]) throws {
        try base.drop(destinations)
    }

    package func put(_ deliveries: [DeliveryRow]) throws {
        try base.put(deliveries)
    }

    package func drop(_ sequences: [Int64], of destination: DestinationName) throws {
        try base.drop(sequences, of: destination)
    }

    package func put(_ name: MetaName, _ value: String) throws {
        try base.put(name, value)
    }

    package func drop(_ name: MetaName) throws {
        try base.drop(name)
    }

    package func add(_ counts: [TaskCountDelta]) throws {
        try base.add(counts)
    }

    package func setDue(_ ids: [TaskID], at time: Timestamp) throws {
        try base.setDue(ids, at: time)
    }

    package func bringForward(in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp) throws -> Int {
        try base.bringForward(in: state, dueAfter: latest, to: now)
    }

    package func moveArtefacts(by jump: Duration) throws { try base.moveArtefacts(by: jump) }

    package func bringArtefactsForward(dueAfter latest: Timestamp, to now: Timestamp) throws -> Int {
        try base.bringArtefactsForward(dueAfter: latest, to: now)
    }

    package func moveSchedule(in state: TaskState, by jump: Duration) throws {
        try base.moveSchedule(in: state, by: jump)
    }

    package func open(in state: TaskState) throws -> [TaskRow] {
        try base.open(in: state)
    }

    package func moveGivenUp(by jump: Duration) throws {
        try base.moveGivenUp(by: jump)
    }

    package func insert(_ arrival: PassedSubmission.Arrival, of key: Int64, at now: Timestamp) throws {
        try base.insert(arrival, of: key, at: now)
    }

    package func settle(_ fates: [ExchangeFate]) throws {
        try base.settle(fates)
    }

    package func endOpenExchanges(at now: Timestamp) throws {
        try base.endOpenExchanges(at: now)
    }

    package func endOpenExchanges(of token: LeaseToken, at now: Timestamp) throws {
        try base.endOpenExchanges(of: token, at: now)
    }

    package func drop(_ exchange: Exchange) throws {
        try base.drop(exchange)
    }

    package func dropExchanges(
        deliveredBy delivered: Timestamp, undeliveredBy undelivered: Timestamp, limit: Int
    ) throws {
        try base.dropExchanges(deliveredBy: delivered, undeliveredBy: undelivered, limit: limit)
    }

    package func insertJoinable(_ contentKey: [UInt8], of key: Int64) throws {
        try base.insertJoinable(contentKey, of: key)
    }

    package func noteCollection(of end: Timestamp, key: Int64) throws {
        try base.noteCollection(of: end, key: key)
    }

    package func dropJoinable(_ keys: [Int64]) throws {
        try base.dropJoinable(keys)
    }

    package func insert(_ message: PassedMessage, of key: Int64) throws {
        try base.insert(message, of: key)
    }

    package func put(_ reply: SubmissionReply, of key: Int64) throws {
        try base.put(reply, of: key)
    }

    package func insert(_ token: LocalToken) throws {
        try base.insert(token)
    }

    package func dropLocalToken(named name: String) throws {
        try base.dropLocalToken(named: name)
    }

    package func append(_ entries: [LedgerEntry]) throws {
        try base.append(entries)
    }

    package func put(_ budgets: [BudgetRow]) throws {
        try base.put(budgets)
    }

    package func dropBudgets(_ names: [String]) throws {
        try base.dropBudgets(names)
    }

    package func put(_ meter: BudgetMeter) throws {
        try base.put(meter)
    }

    package func dropMeters(of budget: String, share: String, before start: Timestamp) throws {
        try base.dropMeters(of: budget, share: share, before: start)
    }

    package func put(_ hold: BudgetHold, of key: Int64) throws {
        try base.put(hold, of: key)
    }

    package func dropHold(of key: Int64) throws {
        try base.dropHold(of: key)
    }

    package func put(_ approval: BudgetApproval, of key: Int64) throws {
        try base.put(approval, of: key)
    }

    package func drop(_ attempts: [SettledAttempt]) throws {
        try base.drop(attempts)
    }
}
