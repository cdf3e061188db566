import Synchronization
import TaskEngine
import TaskModel
import TaskStore

/// The receiver of notifications, which outlives every daemon: takes them, loses them, refuses some for good.
final class SimulatedReceiver: Sendable {
    private struct State {
        /// The places of the events, in the order in which they came.
        var taken: [Int64] = []
        /// What it refuses for good.
        var refused: Set<Int64> = []
    }

    let random: SharedRandom
    private let state = Mutex(State())

    init(random: SharedRandom) {
        self.random = random
    }

    var taken: [Int64] { state.withLock { $0.taken } }
    var refused: Set<Int64> { state.withLock { $0.refused } }

    func take(_ sequence: Int64) { state.withLock { $0.taken.append(sequence) } }

    /// Refuses an event from now on.
    func refuse(_ sequence: Int64) { state.withLock { _ = $0.refused.insert(sequence) } }
}

/// Sends notifications to the receiver, and injects faults into requests and answers.
struct SimulatedSender: NotificationSender {
    let world: World
    /// Whether the sending daemon has been killed.
    let isDead: @Sendable () -> Bool

    func send(
        _ notification: TaskNotification, to destination: Destination, at now: Timestamp
    ) async -> DeliveryQueue.Outcome {
        let receiver = destination.name == .callbacks ? world.callbackReceiver : world.receiver
        guard let sequence = notification.id.split(separator: "-").last.flatMap({ Int64($0) }) else { return .notSent }
        await world.scheduler.park("notify \(sequence)")
        if isDead() {
            // The request was in the network when the daemon was killed.
            if receiver.random.happens(400) { await take(sequence, by: receiver) }
            return .notSent
        }
        world.touch()
        if receiver.refused.contains(sequence) { return .rejected(DeliveryFailure(status: 65, reason: "refused")) }
        switch receiver.random.happens(world.faults.paid) ? receiver.random.integer(in: 0...6) : -1 {
        case 0: return failed("no connection")
        case 1: return failed("it answered 500", status: 500)
        case 2:
            let wait = Duration.seconds(receiver.random.integer(in: 1...40))
            return failed("it answered 429", status: 429, retryAfter: wait)
        case 3:
            await pause(15_000)
            return failed("no answer")
        case 4:
            await take(sequence, by: receiver)
            return failed("the answer is lost")
        case 5 where receiver.random.happens(600):
            receiver.refuse(sequence)
            world.note("notification \(sequence) is refused for good")
            return .rejected(DeliveryFailure(status: 65, reason: "refused"))
        case 6: await pause(Int64(receiver.random.integer(in: 100...14_000)))
        default: break
        }
        if isDead() { return .notSent }
        await take(sequence, by: receiver)
        // It was taken, and the daemon does not know yet.
        await world.scheduler.park("notified \(sequence)")
        return isDead() ? .notSent : .delivered
    }

    private func take(_ sequence: Int64, by receiver: SimulatedReceiver) async {
        world.note("notification \(sequence) is taken")
        receiver.take(sequence)
        world.touch()
    }

    private func failed(
        _ reason: String, status: Int? = nil, retryAfter: Duration? = nil
    ) -> DeliveryQueue.Outcome {
        .failed(DeliveryFailure(status: status, reason: reason, retryAfter: retryAfter))
    }

    private func pause(_ milliseconds: Int64) async {
        await world.scheduler.park("notify", notBefore: world.clock.steady + milliseconds)
    }
}
