import ProviderCatalog
import Synchronization
import TaskModel
import VerbatimJSON

/// What the provider knows, whatever it says: which paid requests it took and billed, and how their tasks stand.
final class ProviderTruth: Sendable {
    /// How a task of the provider's ends.
    enum Ending: Sendable, Hashable { case succeeded, failed }

    /// One task of the provider's.
    struct Record: Sendable {
        let id: String
        let service: String
        let operation: String
        /// The body as it came.
        let request: JSONObject
        /// The task of ours that it was sent for; nil for one of other programs of the account.
        let sender: TaskID?
        let createdAt: Timestamp
        let finishesAt: Timestamp
        let ending: Ending
        /// The list shows it from here on.
        let listedFrom: Timestamp
        /// A look-up knows it from here on.
        let knownFrom: Timestamp
        /// From here on the provider has forgotten it.
        var forgottenFrom: Timestamp?

        func isFinished(at now: Timestamp) -> Bool { finishesAt <= now }
        func isForgotten(at now: Timestamp) -> Bool { forgottenFrom.map { $0 <= now } ?? false }
        func isListed(at now: Timestamp) -> Bool { listedFrom <= now && !isForgotten(at: now) }
        func isKnown(at now: Timestamp) -> Bool { knownFrom <= now && !isForgotten(at: now) }
    }

    /// A paid request as it left us.
    struct PaidRequest: Sendable {
        let sender: TaskID?
        let path: String
        let body: JSONObject
    }

    private struct State {
        var records: [Record] = []
        var late: [LateReply] = []
        var sent: [PaidRequest] = []
        var onTheWay: [(arrival: Timestamp, request: PaidRequest)] = []
        var refused: Set<TaskID> = []
        var hasStopped = false
        var polls: [(service: String, steady: Int64)] = []
        var readings: [(service: String, steady: Int64)] = []
    }

    private let state = Mutex(State())
    private let dice: Dice
    private let clock: SimulatedClock
    private let trace: Trace
    private let courier: Courier

    init(dice: Dice, clock: SimulatedClock, trace: Trace, courier: Courier) {
        self.dice = dice
        self.clock = clock
        self.trace = trace
        self.courier = courier
    }

    /// Every task of the provider's, oldest first; what was on its way until now has arrived.
    var records: [Record] {
        arrive()
        return state.withLock { $0.records }
    }
    /// The paid requests whose first byte went out.
    var sent: [PaidRequest] { state.withLock { $0.sent } }
    /// The tasks of ours that it refused for good.
    var refused: Set<TaskID> { state.withLock { $0.refused } }
    /// Whether it has ever said that the whole account may send nothing more.
    var hasStopped: Bool { state.withLock { $0.hasStopped } }
    /// When status queries came in, by the steady clock.
    var polls: [(service: String, steady: Int64)] { state.withLock { $0.polls } }
    /// When its list was read to the end, by the steady clock.
    var readings: [(service: String, steady: Int64)] { state.withLock { $0.readings } }
    /// When the next request on its way arrives.
    var nextArrival: Timestamp? { state.withLock { $0.onTheWay.map(\.arrival).min() } }

    /// A reply that its daemon did not live to record.
    func noteLate(_ reply: LateReply) { state.withLock { $0.late.append(reply) } }
    /// The next such reply, which is taken.
    func takeLate() -> LateReply? { state.withLock { $0.late.isEmpty ? nil : $0.late.removeFirst() } }

    /// The record of that id.
    func record(_ id: String) -> Record? { records.first { $0.id == id } }

    func noteSent(_ request: PaidRequest) { state.withLock { $0.sent.append(request) } }
    func noteRefused(_ sender: TaskID?) { _ = sender.map { id in state.withLock { $0.refused.insert(id) } } }
    func noteStop() { state.withLock { $0.hasStopped = true } }
    func notePoll(of service: String) { state.withLock { $0.polls.append((service, clock.steady)) } }
    func noteReading(of service: String) { state.withLock { $0.readings.append((service, clock.steady)) } }

    /// A request whose sender died is still in the network, and arrives later.
    func delay(_ request: PaidRequest, by span: Duration) {
        state.withLock { $0.onTheWay.append((clock.providerNow + span, request)) }
    }

    /// Takes a paid request, and bills it.
    @discardableResult
    func accept(_ request: PaidRequest, isHidden: Bool = false) -> Record {
        let now = clock.providerNow
        let parts = request.path.split(separator: "/").map(String.init)
        let number = state.withLock { $0.records.count } + 1
        // Of long ones a few will do, whose queries say the same for most of the time; but one that is answered at once
        // gives up only with a long one.
        let isLong = dice.happens(250) || parts.first == "words"
        let record = Record(
            id: "remote-\(number)", service: parts.first ?? "", operation: parts.dropFirst().joined(separator: "/"),
            request: request.body, sender: request.sender, createdAt: now,
            finishesAt: now + .milliseconds(dice.roll(500...(isLong ? 150_000 : 15_000))),
            ending: dice.happens(150) ? .failed : .succeeded,
            // Some only after a proof of absence takes, and some after the task was sent again.
            listedFrom: isHidden
                ? now + .milliseconds(dice.roll(1_000...(dice.happens(300) ? 400_000 : 100_000))) : now,
            knownFrom: isHidden ? now + .milliseconds(dice.roll(1_000...20_000)) : now)
        trace.note("provider bills \(record.id) \(request.path) for \(request.sender?.text ?? "others")")
        state.withLock { $0.records.append(record) }
        courier.take(record)
        return record
    }

    /// The provider forgets a task.
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
        for (_, request) in arrived { accept(request) }
    }
}

/// A reply to a paid request that came when its attempt was not waited for any more.
struct LateReply: Sendable {
    let task: TaskID
    /// Nil where the attempt is not known.
    let attempt: Int?
    let reply: UpstreamReply
}
