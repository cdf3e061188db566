import ProviderCatalog
import Synchronization
import TaskModel
import VerbatimJSON

/// The provider's true state: the paid requests that it accepted and billed, and the state of their tasks.
final class ProviderTruth: Sendable {
    /// How a provider task ends.
    enum Ending: Sendable, Hashable { case succeeded, failed }

    /// A provider task.
    struct Record: Sendable {
        let id: String
        let service: String
        let operation: String
        /// The unchanged request body.
        let request: JSONObject
        /// The task that sent it; nil for other programs of the account.
        let sender: TaskID?
        /// The account that sent it, and the user whose account that is.
        let account: AccountName
        let user: Int
        /// The base URL that it was sent to; nil for tasks of other programs.
        let address: String?
        let createdAt: Timestamp
        let finishesAt: Timestamp
        let ending: Ending
        /// When the list starts to show it.
        let listedFrom: Timestamp
        /// When look-ups start to find it.
        let knownFrom: Timestamp
        /// When the provider forgot it, if it did.
        var forgottenFrom: Timestamp?

        func isFinished(at now: Timestamp) -> Bool { finishesAt <= now }
        func isForgotten(at now: Timestamp) -> Bool { forgottenFrom.map { $0 <= now } ?? false }
        func isListed(at now: Timestamp) -> Bool { listedFrom <= now && !isForgotten(at: now) }
        func isKnown(at now: Timestamp) -> Bool { knownFrom <= now && !isForgotten(at: now) }
    }

    /// A paid request as sent.
    struct PaidRequest: Sendable {
        let sender: TaskID?
        let path: String
        let body: JSONObject
        let account: AccountName
        /// The current base URL when it was sent, and the one that it was made for.
        var address: String?
        var madeFor: String?
    }

    /// A status query that names tasks.
    struct Question: Sendable {
        let ids: [String]
        let account: AccountName
    }

    /// The longest time after which a list shows a new record.
    static let listedWithin: Duration = .seconds(410)

    private struct State {
        var records: [Record] = []
        var late: [LateReply] = []
        var sent: [PaidRequest] = []
        var onTheWay: [(arrival: Timestamp, request: PaidRequest)] = []
        var refused: Set<TaskID> = []
        var hasStopped = false
        var polls: [AccountName: [Int64]] = [:]
        var questions: [Question] = []
        var readings: [(service: AccountService, steady: Int64)] = []
        /// When the first page of each list was requested last, by service, account and window.
        var beginnings: [String: Int64] = [:]
    }

    private let state = Mutex(State())
    private let random: SharedRandom
    private let clock: SimulatedClock
    private let trace: Trace
    private let callbackDriver: CallbackDriver
    private let accounts: SimulatedAccounts
    /// Whether results contain long values.
    let hasContent: Bool

    init(
        random: SharedRandom, clock: SimulatedClock, trace: Trace, callbackDriver: CallbackDriver,
        accounts: SimulatedAccounts, hasContent: Bool
    ) {
        self.accounts = accounts
        self.hasContent = hasContent
        self.random = random
        self.clock = clock
        self.trace = trace
        self.callbackDriver = callbackDriver
    }

    /// All provider tasks, oldest first, including delayed requests that have arrived by now.
    var records: [Record] {
        arrive()
        return state.withLock { $0.records }
    }
    /// The paid requests whose first byte was sent.
    var sent: [PaidRequest] { state.withLock { $0.sent } }
    /// The tasks that it rejected permanently.
    var refused: Set<TaskID> { state.withLock { $0.refused } }
    /// Whether it has ever blocked the account.
    var hasStopped: Bool { state.withLock { $0.hasStopped } }
    /// The steady times of the polls by each account.
    var polls: [AccountName: [Int64]] { state.withLock { $0.polls } }
    /// The status queries that name tasks.
    var questions: [Question] { state.withLock { $0.questions } }
    /// The steady times when readings of an account's list began that reached its end.
    var readings: [(service: AccountService, steady: Int64)] { state.withLock { $0.readings } }
    /// When the next delayed request arrives.
    var nextArrival: Timestamp? { state.withLock { $0.onTheWay.map(\.arrival).min() } }

    /// Stores a reply that its daemon died before recording.
    func noteLate(_ reply: LateReply) { state.withLock { $0.late.append(reply) } }
    /// Removes and returns the next such reply.
    func takeLate() -> LateReply? { state.withLock { $0.late.isEmpty ? nil : $0.late.removeFirst() } }

    /// The record with that id.
    func record(_ id: String) -> Record? { records.first { $0.id == id } }

    /// Whether the user has had a task with that client id, forgotten or not.
    func hasSeen(_ id: String, from user: Int) -> Bool { records.contains { $0.id == id && $0.user == user } }

    func noteSent(_ request: PaidRequest) { state.withLock { $0.sent.append(request) } }
    func noteRefused(_ sender: TaskID?) { _ = sender.map { id in state.withLock { $0.refused.insert(id) } } }
    func noteStop() { state.withLock { $0.hasStopped = true } }
    func notePoll(by account: AccountName) { state.withLock { $0.polls[account, default: []].append(clock.steady) } }
    func note(_ question: Question) { state.withLock { $0.questions.append(question) } }
    func noteReading(of service: String, by account: AccountName, in window: String = "") {
        guard let name = ServiceName(service) else { return }
        let key = "\(service) \(account) \(window)"
        state.withLock { state in
            state.readings.append((AccountService(name, of: account), state.beginnings[key] ?? clock.steady))
        }
    }

    /// Notes that a reading of the window begins. It shows the list of this moment, however long it takes.
    func noteBeginning(of service: String, by account: AccountName, in window: String) {
        state.withLock { $0.beginnings["\(service) \(account) \(window)"] = clock.steady }
    }

    /// Delays a request that is still in the network after its sender died.
    func delay(_ request: PaidRequest, by span: Duration) {
        state.withLock { $0.onTheWay.append((clock.providerNow + span, request)) }
    }

    /// Accepts and bills a paid request.
    @discardableResult
    func accept(_ request: PaidRequest, isHidden: Bool = false, isLate: Bool = false) -> Record {
        let now = clock.providerNow
        let parts = request.path.split(separator: "/").map(String.init)
        let number = state.withLock { $0.records.count } + 1
        // A few long tasks suffice, because their polls mostly repeat. An inline endpoint times out only with a long
        // task.
        let isLong = random.happens(250) || parts.first == "words"
        let record = Record(
            id: parts.first == "mine" ? request.body["task_id"]?.string ?? "" : "remote-\(number)",
            service: parts.first ?? "", operation: parts.dropFirst().joined(separator: "/"),
            request: request.body, sender: request.sender, account: request.account,
            user: accounts.user(of: request.account), address: request.address, createdAt: now,
            finishesAt: now + .milliseconds(random.integer(in: 500...(isLong ? 150_000 : 15_000))),
            ending: random.happens(150) ? .failed : .succeeded,
            listedFrom: isHidden
                ? now
                    + .milliseconds(
                        isLate ? random.integer(in: 130_000...400_000) : random.integer(in: 1_000...100_000))
                : now,
            knownFrom: isHidden ? now + .milliseconds(random.integer(in: 1_000...20_000)) : now)
        trace.note("provider bills \(record.id) \(request.path) for \(request.sender?.text ?? "others")")
        state.withLock { $0.records.append(record) }
        callbackDriver.take(record)
        return record
    }

    /// Makes the provider forget a task.
    func forget(_ id: String) {
        state.withLock { state in
            guard let index = state.records.firstIndex(where: { $0.id == id }) else { return }
            state.records[index].forgottenFrom = clock.providerNow
        }
    }

    private func arrive() {
        let now = clock.providerNow
        let arrived = state.withLock { state in
            let arrived = state.onTheWay.filter { $0.arrival <= now }
            state.onTheWay.removeAll { $0.arrival <= now }
            return arrived
        }
        for (_, request) in arrived {
            let id = request.path == "/mine/make" ? request.body["task_id"]?.string : nil
            let user = accounts.user(of: request.account)
            let isRepeated = state.withLock { $0.records.contains { $0.id == id && $0.user == user } }
            if !isRepeated { accept(request) }
        }
    }
}

/// A reply to a paid request whose attempt no longer awaits it.
struct LateReply: Sendable {
    let task: TaskID
    /// Nil if the attempt is unknown.
    let attempt: Int?
    let account: AccountName
    let reply: UpstreamReply
}
