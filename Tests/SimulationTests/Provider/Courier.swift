import Synchronization
import TaskModel
import VerbatimJSON

/// The provider's callbacks: when which body goes where, and what goes wrong with that.
///
/// It has dice of its own, so that a history without callbacks is the same with and without it.
final class Courier: Sendable {
    /// What a delivery says of its task.
    enum Kind: Sendable, Hashable {
        /// How it ended, as the record says.
        case truth
        /// It is being worked on.
        case progress
        /// A success at 35 per cent.
        case lie
        /// A failure of what has succeeded.
        case contradiction
        /// No JSON.
        case garbage
        /// The truth, with a token that somebody made up.
        case forgery
    }

    /// One call that the provider, or a stranger, will make.
    struct Delivery: Sendable {
        let number: Int
        let record: String
        let token: String
        let kind: Kind
        /// By the steady clock.
        let due: Int64
        /// The provider forgets the task with it.
        let isLastWord: Bool
    }

    private struct State {
        var deliveries: [Delivery] = []
        var count = 0
        var isFair = false
        var contradicted: Set<String> = []
    }

    private let state = Mutex(State())
    private let dice: Dice
    private let clock: SimulatedClock

    /// Where providers are told to call in histories that have callbacks.
    static let publicURL = "https://simulated.example"

    init(dice: Dice, clock: SimulatedClock) {
        self.dice = dice
        self.clock = clock
    }

    /// From now on every end is delivered once, on time.
    func heal() { state.withLock { $0.isFair = true } }

    /// The provider has taken a request; if it names a URL of ours, that is called.
    func take(_ record: ProviderTruth.Record) {
        guard let url = record.request["callback_url"]?.string, url.hasPrefix(Self.publicURL) else { return }
        let token = String(url.split(separator: "/").last ?? "")
        let start = clock.steady
        let end = start + (record.finishesAt - record.createdAt).wholeMilliseconds
        func add(_ kind: Kind, _ due: Int64, token: String = token, isLastWord: Bool = false) {
            state.withLock { state in
                state.count += 1
                state.deliveries.append(
                    Delivery(
                        number: state.count, record: record.id, token: token, kind: kind, due: due,
                        isLastWord: isLastWord))
            }
        }
        let soon = end + Int64(dice.roll(50...3_000))
        guard !state.withLock({ $0.isFair }) else { return add(.truth, soon) }
        switch dice.roll(0...9) {
        case 0, 1: break  // It never comes.
        case 2: add(.truth, end + Int64(dice.roll(5_000...120_000)))
        case 3:
            add(.truth, soon)
            add(.truth, soon + Int64(dice.roll(0...5_000)))
        case 4:
            // Before the reply to the submission, and out of order.
            add(.progress, start)
            add(.truth, soon)
            add(.progress, soon + 10)
        case 5:
            add(.lie, start + Int64(dice.roll(0...20_000)))
            add(.truth, soon)
        case 6:
            if record.ending == .succeeded {
                add(.contradiction, soon)
                state.withLock { _ = $0.contradicted.insert(record.id) }
            }
            add(.truth, soon + Int64(dice.roll(0...2_000)))
        case 7: add(.garbage, start + Int64(dice.roll(0...60_000)))
        case 8: add(.truth, soon, isLastWord: true)
        default: add(.truth, soon)
        }
        if dice.happens(200) {
            add(.forgery, start + Int64(dice.roll(0...60_000)), token: String(token.reversed()))
        }
    }

    /// Whether the provider tells two ends of that task; it must then be there to be asked which is true.
    func contradicts(_ record: String) -> Bool { state.withLock { $0.contradicted.contains(record) } }

    /// What is to be delivered by now, in the order of its time.
    var due: [Delivery] {
        let now = clock.steady
        return state.withLock { $0.deliveries.filter { $0.due <= now } }
    }

    /// When the next one is.
    var nextDue: Int64? { state.withLock { $0.deliveries.map(\.due).min() } }

    /// It is being delivered, and not again.
    func remove(_ delivery: Delivery) {
        state.withLock { $0.deliveries.removeAll { $0.number == delivery.number } }
    }

    /// Nobody answered for so long: what was to be delivered meanwhile is gone for good.
    func lose(until point: Int64) { state.withLock { $0.deliveries.removeAll { $0.due <= point } } }
}

extension Courier.Delivery {
    /// The body of the call.
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
