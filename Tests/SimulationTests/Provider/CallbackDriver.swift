import Synchronization
import TaskModel
import VerbatimJSON

/// Schedules the provider's callbacks and injects their faults.
///
/// It has its own random generator, so it does not change histories without callbacks.
final class CallbackDriver: Sendable {
    /// The content of a delivery.
    enum Kind: Sendable, Hashable {
        /// The true end.
        case truth
        /// Progress without an end.
        case progress
        /// A success at 35 percent.
        case lie
        /// A failure for a task that succeeded.
        case contradiction
        /// A body that is not JSON.
        case garbage
        /// The true end with an invented token.
        case forgery
    }

    /// A scheduled callback.
    struct Delivery: Sendable {
        let number: Int
        let record: String
        let token: String
        let kind: Kind
        /// A steady time.
        let due: Int64
        /// Whether the provider forgets the task after it.
        let forgetsTask: Bool
    }

    private struct State {
        var deliveries: [Delivery] = []
        var count = 0
        var isFaultless = false
        var contradicted: Set<String> = []
    }

    private let state = Mutex(State())
    private let random: SharedRandom
    private let clock: SimulatedClock

    /// The public URL in histories with callbacks.
    static let publicURL = "https://simulated.example"

    init(random: SharedRandom, clock: SimulatedClock) {
        self.random = random
        self.clock = clock
    }

    /// From now on, delivers every end once and on time.
    func endFaults() { state.withLock { $0.isFaultless = true } }

    /// Schedules the callbacks of an accepted request, if it names a callback URL.
    func take(_ record: ProviderTruth.Record) {
        guard let url = record.request["callback_url"]?.string, url.hasPrefix(Self.publicURL) else { return }
        let token = String(url.split(separator: "/").last ?? "")
        let start = clock.steady
        let end = start + (record.finishesAt - record.createdAt).wholeMilliseconds
        func add(_ kind: Kind, _ due: Int64, token: String = token, forgetsTask: Bool = false) {
            state.withLock { state in
                state.count += 1
                state.deliveries.append(
                    Delivery(
                        number: state.count, record: record.id, token: token, kind: kind, due: due,
                        forgetsTask: forgetsTask))
            }
        }
        let soon = end + Int64(random.integer(in: 50...3_000))
        guard !state.withLock({ $0.isFaultless }) else { return add(.truth, soon) }
        switch random.integer(in: 0...9) {
        case 0, 1: break  // Nothing is delivered.
        case 2: add(.truth, end + Int64(random.integer(in: 5_000...120_000)))
        case 3:
            add(.truth, soon)
            add(.truth, soon + Int64(random.integer(in: 0...5_000)))
        case 4:
            // Before the submission's reply, and out of order.
            add(.progress, start)
            add(.truth, soon)
            add(.progress, soon + 10)
        case 5:
            add(.lie, start + Int64(random.integer(in: 0...20_000)))
            add(.truth, soon)
        case 6:
            if record.ending == .succeeded {
                add(.contradiction, soon)
                state.withLock { _ = $0.contradicted.insert(record.id) }
            }
            add(.truth, soon + Int64(random.integer(in: 0...2_000)))
        case 7: add(.garbage, start + Int64(random.integer(in: 0...60_000)))
        case 8: add(.truth, soon, forgetsTask: true)
        default: add(.truth, soon)
        }
        if random.happens(200) {
            add(.forgery, start + Int64(random.integer(in: 0...60_000)), token: String(token.reversed()))
        }
    }

    /// Whether the provider reports two different ends. The task must then stay available for a poll.
    func contradicts(_ record: String) -> Bool { state.withLock { $0.contradicted.contains(record) } }

    /// The deliveries that are due, in order of time.
    var due: [Delivery] {
        let now = clock.steady
        return state.withLock { $0.deliveries.filter { $0.due <= now } }
    }

    /// The time of the next delivery.
    var nextDue: Int64? { state.withLock { $0.deliveries.map(\.due).min() } }

    /// Removes a delivery that is being sent.
    func remove(_ delivery: Delivery) {
        state.withLock { $0.deliveries.removeAll { $0.number == delivery.number } }
    }

    /// Drops the deliveries that fall into the daemon's downtime.
    func lose(until point: Int64) { state.withLock { $0.deliveries.removeAll { $0.due <= point } } }
}

extension CallbackDriver.Delivery {
    /// The body of the request.
    func body(by words: ProviderWords) -> [UInt8] {
        guard let its = words.truth.record(record) else { return [] }
        let id = JSONValue.string(record)
        let body: JSONValue =
            switch kind {
            case .truth, .forgery: words.response(of: its)
            case .progress: ["task_id": id, "success": true]
            case .lie:
                [
                    "task_id": id, "success": true, "progress": 35,
                    "image_url": .string("https://cdn.example/\(record)-preview.png"),
                ]
            case .contradiction:
                ["task_id": id, "success": false, "error": ["code": "forbidden", "message": "Moderation."]]
            case .garbage: .string("not what you expect")
            }
        return kind == .garbage ? Array("<html>".utf8) : body.utf8
    }
}
