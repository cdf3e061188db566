import Synchronization
import TaskModel

/// Lets the players of a simulation run one at a time, in the order that its director says.
///
/// A player is an ordinary task of Swift that runs the real engine. Whenever it touches the world (the store, the
/// provider, a clock to sleep on) it parks here, and only the director lets it go on. So whatever Swift's executor does,
/// the same choices of the director give the same history.
final class Turnstile: Sendable {
    /// Somebody who waits to be let on.
    struct Ticket: Sendable {
        let number: Int
        let player: String
        let label: String
        /// Before this point of the steady clock there is nothing to go on for; nil for at once.
        let notBefore: Int64?
        /// It may go on, too, once the wall clock shows this.
        let wall: Timestamp?
    }

    private struct State {
        var parked: [Int: (ticket: Ticket, continuation: CheckedContinuation<Void, Never>)] = [:]
        var nextNumber = 0
        var isRunning = false
        var director: CheckedContinuation<Void, Never>?

        /// Nobody runs any more; the director, if it waits for that already.
        mutating func handBack() -> CheckedContinuation<Void, Never>? {
            isRunning = false
            defer { director = nil }
            return director
        }
    }

    /// Who is running.
    @TaskLocal static var player = "nobody"

    private let state = Mutex(State())

    /// Waits until the director lets the player on; returns at once for one whose daemon is dead.
    func park(_ label: String, notBefore: Int64? = nil, wall: Timestamp? = nil) async {
        guard !Task.isCancelled else { return }
        let player = Self.player
        await withCheckedContinuation { continuation in
            let director = state.withLock { state in
                let ticket = Ticket(
                    number: state.nextNumber, player: player, label: label, notBefore: notBefore, wall: wall)
                state.parked[ticket.number] = (ticket, continuation)
                state.nextNumber += 1
                return state.handBack()
            }
            director?.resume()
        }
    }

    /// Adds a player and lets it run until it parks for the first time.
    func enter(
        _ player: String, in group: inout DiscardingTaskGroup, _ body: @escaping @Sendable () async -> Void
    ) async {
        state.withLock { $0.isRunning = true }
        group.addTask {
            await Self.$player.withValue(player) {
                await self.park("begin")
                await body()
            }
            self.state.withLock { $0.handBack() }?.resume()
        }
        await handedBack()
    }

    /// Lets somebody on, and returns when they park again or are done.
    func admit(_ ticket: Ticket) async {
        let continuation = state.withLock { state in
            state.isRunning = true
            return state.parked.removeValue(forKey: ticket.number)?.continuation
        }
        continuation?.resume()
        await handedBack()
    }

    /// Everybody who waits, in the order of their coming.
    var waiting: [Ticket] { state.withLock { $0.parked.values.map(\.ticket).sorted { $0.number < $1.number } } }

    private func handedBack() async {
        await withCheckedContinuation { continuation in
            let isBack = state.withLock { state in
                if !state.isRunning { return true }
                state.director = continuation
                return false
            }
            if isBack { continuation.resume() }
        }
    }
}
