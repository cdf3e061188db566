import Synchronization
import TaskModel

/// The accounts of a history and their faults. They use a separate random generator, so that histories with one account
/// do not change.
final class SimulatedAccounts: Sendable {
    private struct State {
        var dead: Set<AccountName> = []
        var throttled: Set<AccountName> = []
        /// The accounts whose lists get an error reply.
        var unreadable: Set<AccountName> = []
        /// The accounts that are missing in the settings.
        var removed: Set<AccountName> = []
        var wasRemoved = false
    }

    /// A fault of an account.
    enum Trouble { case unreadable, removed }

    /// The names in the order of the settings; `default` alone in most histories.
    let names: [AccountName]
    /// The number of the fault step at which an account stops working permanently; nil if none does.
    let diesAt: Int?
    /// The fault steps at which accounts get a fault.
    let troubles: [Int: Trouble]
    /// Whether no list can be read while a restored database waits for a person.
    let areUnreadableInCopies: Bool
    private let users: [AccountName: Int]
    private let state = Mutex(State())
    private let random: SharedRandom

    /// If `areSeveral` is nil, it is drawn.
    init(seed: UInt64, areSeveral: Bool?) {
        random = SharedRandom(seed: seed ^ 0x6a09_e667_f3bc_c908)
        let isDrawn = random.happens(300)
        guard areSeveral ?? isDrawn else {
            (names, users, diesAt, troubles, areUnreadableInCopies) = ([.default], [:], nil, [:], false)
            return
        }
        names = ["first", "second", "third"].prefix(random.integer(in: 2...3)).map { AccountName(stored: $0) }
        // In half of these histories the last two accounts belong to one user, who sees one list with both tokens.
        let areOnes = random.happens(500)
        var users: [AccountName: Int] = [:]
        for (number, name) in names.enumerated() {
            users[name] = areOnes && number == names.count - 1 ? number - 1 : number
        }
        self.users = users
        diesAt = random.happens(700) ? random.integer(in: 1...60) : nil
        var troubles: [Int: Trouble] = [:]
        if random.happens(500) { troubles[random.integer(in: 1...60)] = .unreadable }
        if random.happens(300) { troubles[random.integer(in: 1...60)] = .removed }
        self.troubles = troubles
        areUnreadableInCopies = random.happens(500)
        if random.happens(300), let slow = names.last { state.withLock { _ = $0.throttled.insert(slow) } }
    }

    var areSeveral: Bool { names.count > 1 }

    /// The user of the account. Two accounts of one user show the same tasks.
    func user(of account: AccountName) -> Int { users[account] ?? 0 }

    /// A random account.
    func any() -> AccountName { names.count == 1 ? names[0] : random.pick(names) ?? .default }

    func isDead(_ account: AccountName) -> Bool { state.withLock { $0.dead.contains(account) } }
    func isThrottled(_ account: AccountName) -> Bool { state.withLock { $0.throttled.contains(account) } }

    /// The accounts whose token is rejected.
    var dead: Set<AccountName> { state.withLock { $0.dead } }

    /// Ends an account; at least one remains.
    func kill() -> AccountName? {
        guard areSeveral, let name = random.pick(names) else { return nil }
        state.withLock { _ = $0.dead.insert(name) }
        return name
    }

    /// Whether the account cannot read its list now.
    func isUnreadable(_ account: AccountName) -> Bool { state.withLock { $0.unreadable.contains(account) } }
    /// The accounts in the settings.
    var configured: [AccountName] { state.withLock { state in names.filter { !state.removed.contains($0) } } }
    /// Whether the settings lacked an account at any time.
    var wasRemoved: Bool { state.withLock { $0.wasRemoved } }

    /// Gives one account that fault, and returns it.
    func begin(_ trouble: Trouble) -> AccountName? {
        guard let name = random.pick(names) else { return nil }
        state.withLock { state in
            switch trouble {
            case .unreadable: state.unreadable.insert(name)
            case .removed:
                state.removed.insert(name)
                state.wasRemoved = true
            }
        }
        return name
    }

    /// Makes all lists unreadable.
    func hideLists() { state.withLock { $0.unreadable = Set(names) } }

    /// Ends all faults except dead accounts.
    func endTroubles() {
        state.withLock { state in
            state.throttled = []
            state.unreadable = []
            state.removed = []
        }
    }

    /// Makes the dead account work again.
    func revive() { state.withLock { $0.dead = [] } }
}
