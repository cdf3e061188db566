package import TaskModel

/// One line of the ledger. It changes what an attempt has reserved and spent, and never changes itself.
package struct LedgerEntry: Sendable, Hashable {
    /// What happened to the money of an attempt.
    package enum Kind: String, Sendable, CaseIterable {
        /// The attempt starts: what it is expected to cost is set aside.
        case reserve
        /// It is known what the attempt has cost.
        case settle
        /// The attempt costs nothing.
        case release
    }

    package let task: TaskID
    package let attempt: Int
    package let kind: Kind
    package let at: Timestamp
    /// When the attempt started. A budget counts all its lines in the period of that time.
    package let startedAt: Timestamp
    /// Nil if no price told what it costs.
    package let unit: MoneyUnit?
    /// The change of what is reserved, in micros.
    package let reserved: Int64
    /// The change of what is spent, in micros.
    package let spent: Int64
    /// The change of the number of attempts whose cost is unknown.
    package let unpriced: Int
    package let spender: Spender
    /// Of a reservation: how its attempt is settled; nil if its estimate is all that is known.
    package let terms: SettlementTerms?

    package init(
        task: TaskID, attempt: Int, kind: Kind, at: Timestamp, startedAt: Timestamp, unit: MoneyUnit?, reserved: Int64,
        spent: Int64, unpriced: Int, spender: Spender, terms: SettlementTerms? = nil
    ) {
        self.task = task
        self.attempt = attempt
        self.kind = kind
        self.at = at
        self.startedAt = startedAt
        self.unit = unit
        self.reserved = reserved
        self.spent = spent
        self.unpriced = unpriced
        self.spender = spender
        self.terms = terms
    }
}

/// The sum of the ledger for attempts that differ in nothing that budgets and the overview tell apart.
package struct LedgerSum: Sendable, Hashable {
    package let spender: Spender
    /// Nil for attempts that no price covers.
    package let unit: MoneyUnit?
    package var reserved: Int64
    package var spent: Int64
    /// Attempts, and those of them whose cost is unknown.
    package var attempts: Int
    package var unpriced: Int
    /// The day on which they started, in UTC since 1970-01-01; nil if days are not told apart.
    package let day: Int64?

    /// The length of a day in milliseconds.
    package static let dayLength: Int64 = 86_400_000

    package init(
        spender: Spender, unit: MoneyUnit?, reserved: Int64, spent: Int64, attempts: Int, unpriced: Int,
        day: Int64? = nil
    ) {
        self.spender = spender
        self.unit = unit
        self.reserved = reserved
        self.spent = spent
        self.attempts = attempts
        self.unpriced = unpriced
        self.day = day
    }
}

/// An attempt whose cost is known and whose lines may be removed.
package struct SettledAttempt: Sendable, Hashable {
    package let task: TaskID
    package let attempt: Int
    /// The number of its lines.
    package let lines: Int

    package init(task: TaskID, attempt: Int, lines: Int) {
        self.task = task
        self.attempt = attempt
        self.lines = lines
    }
}

/// What the lines of one attempt add up to.
struct AttemptBalance: Sendable {
    let reservation: LedgerEntry
    private(set) var reserved: Int64 = 0
    private(set) var spent: Int64 = 0
    private(set) var unpriced = 0
    private(set) var isSettled = false
    /// Whether the latest line is a release.
    private(set) var isReleased = false

    /// The balances of the attempts with these lines, by number. Lines without a reservation are not known.
    static func of(_ entries: [LedgerEntry]) -> [AttemptBalance] {
        var balances: [Int: AttemptBalance] = [:]
        for entry in entries {
            var balance = balances[entry.attempt] ?? AttemptBalance(reservation: entry)
            balance.add(entry)
            balances[entry.attempt] = balance
        }
        return balances.values.filter { $0.reservation.kind == .reserve }.sorted { $0.attempt < $1.attempt }
    }

    private init(reservation: LedgerEntry) { self.reservation = reservation }

    var attempt: Int { reservation.attempt }
    /// Whether its outcome is unknown.
    var isOpen: Bool { !isSettled && !isReleased }

    private mutating func add(_ entry: LedgerEntry) {
        reserved += entry.reserved
        spent += entry.spent
        unpriced += entry.unpriced
        isSettled = isSettled || entry.kind == .settle
        isReleased = entry.kind == .release
    }

    /// The line that makes the attempt cost nothing.
    func release(at now: Timestamp) -> LedgerEntry {
        line(.release, unit: reservation.unit, reserved: -reserved, spent: -spent, unpriced: -unpriced, at: now)
    }

    /// The line that makes the attempt cost what its record says, else what was estimated; nil if that is stored already.
    func settle(recorded: Int64?, at now: Timestamp) -> LedgerEntry? {
        let cost = recorded ?? (isSettled ? spent : reservation.unit.map { _ in reservation.reserved })
        let unit = recorded.flatMap { _ in reservation.terms?.unit } ?? reservation.unit
        let isUnknown = recorded == nil && reservation.unit == nil && !(isSettled && unpriced == 0)
        let entry = line(
            .settle, unit: unit, reserved: -reserved, spent: (cost ?? spent) - spent,
            unpriced: (isUnknown ? 1 : 0) - unpriced, at: now)
        let isNews = !isSettled || entry.reserved != 0 || entry.spent != 0 || entry.unpriced != 0
        return isNews ? entry : nil
    }

    private func line(
        _ kind: LedgerEntry.Kind, unit: MoneyUnit?, reserved: Int64, spent: Int64, unpriced: Int, at now: Timestamp
    ) -> LedgerEntry {
        LedgerEntry(
            task: reservation.task, attempt: attempt, kind: kind, at: now, startedAt: reservation.startedAt, unit: unit,
            reserved: reserved, spent: spent, unpriced: unpriced, spender: reservation.spender)
    }
}
