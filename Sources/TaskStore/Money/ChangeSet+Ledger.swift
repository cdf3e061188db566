import TaskModel
import VerbatimJSON

/// Writes what an event means for the money of an attempt, in the commit of the event.
///
/// An attempt is released only if it is proven that the provider did not accept it, or that it bills no failures. In
/// every other case the reservation stays until the outcome is known.
extension ChangeSet {
    /// The budget that has no room for the attempt that the change starts; nil if it may start.
    func shortage(
        of charge: Charge?, for change: TaskChange, of row: TaskRow, under lease: LeaseName?, at now: Timestamp
    ) throws -> BudgetShortage? {
        let budgets = try transaction.budgets()
        guard !budgets.isEmpty else { return nil }
        let spender = Spender(change.task, charge, lease)
        let shortage = try shortage(of: charge?.estimate, for: spender, in: budgets, at: now)
        return try shortage == nil || useApproval(of: row, for: change.task.attempts) ? nil : shortage
    }

    /// Reserves what the attempt that the change starts is expected to cost.
    mutating func reserve(
        _ charge: Charge?, for change: TaskChange, of row: TaskRow, under lease: LeaseName?, at now: Timestamp
    ) throws {
        let (task, estimate) = (change.task, charge?.estimate)
        let entry = LedgerEntry(
            task: task.id, attempt: task.attempts, kind: .reserve, at: now, startedAt: now, unit: estimate?.unit,
            reserved: estimate?.micros ?? 0, spent: 0, unpriced: estimate == nil ? 1 : 0,
            spender: Spender(task, charge, lease),
            terms: charge?.terms.flatMap { terms in terms.isPlain && estimate != nil ? nil : terms })
        try append(entry, of: row.key, about: task)
    }

    /// Settles or releases the attempts of which an event tells the outcome.
    mutating func account(for change: TaskChange, by planned: ScheduledEvent, of row: TaskRow, at now: Timestamp) throws
    {
        let before = row.task
        guard before.attempts > 0 else { return }
        let number = planned.attempt ?? before.attempts
        switch planned.event {
        case .submissionNotAccepted, .submissionRefused:
            // A callback shows that the provider accepted some attempt, whatever this reply says.
            let isLatest = [.advance(to: .queued), .advance(to: .failed)].contains(change.transition)
            if isLatest || change.transition == .note && before.callbacks.count == 0 {
                try release(number, of: row, at: now)
            }
        case .resubmitted(.resubmittedByPolicy) where change.transition == .advance(to: .queued),
            .givenUp(_, .refusalConfirmed) where change.transition == .advance(to: .failed):
            // The policy resubmits, and a refusal is confirmed, only after a proof of absence.
            try release(before.attempts, of: row, at: now)
        case .submissionAnswered: try settle([number], by: change, planned, of: row, at: now)
        case .calledBack(let delivery): try settle([delivery.attempt], by: change, planned, of: row, at: now)
        case .observed, .endedByCallback: try settle(nil, by: change, planned, of: row, at: now)
        default: break
        }
        // A late record shows that its attempt was accepted; nobody follows it to its end.
        if change.transition == .noteLateRecord, let found = change.attempts.found {
            try settle(found.number, of: row, recorded: nil, at: now)
        } else if change.logEntries.contains(where: { $0.kind == "late_record" }), let early = before.callbacks.attempt
        {
            try settle(early, of: row, recorded: nil, at: now)
        }
    }

    /// Settles or releases these attempts by the outcome in the event, if there is one; nil for those that the provider
    /// has accepted.
    private mutating func settle(
        _ attempts: [Int]?, by change: TaskChange, _ planned: ScheduledEvent, of row: TaskRow, at now: Timestamp
    ) throws {
        guard let observation = planned.event.observation, observation.verdict != .pending else { return }
        switch change.transition {
        case .advance(to: .succeeded), .advance(to: .failed), .noteLateResult: break
        case .advance, .update, .noteLateRecord, .note, .ignore, .refuse: return
        }
        let balances = AttemptBalance.of(try transaction.ledger(of: row.task.id))
        let concerned = try attempts.map(Set.init) ?? accepted(of: row, among: balances)
        let hasFailed = if case .failed = observation.verdict { true } else { false }
        // An outcome that contradicts a known one changes nothing.
        let isLate = change.transition == .noteLateResult
        for balance in balances where concerned.contains(balance.attempt) && !(isLate && balance.isSettled) {
            let terms = balance.reservation.terms
            if hasFailed, terms?.failuresAreFree ?? false {
                if balance.isOpen { try append(balance.release(at: now), of: row.key, about: change.task) }
                continue
            }
            let recorded = terms?.recorded?.cost(in: observation.record)
            guard let entry = balance.settle(recorded: recorded, at: now) else { continue }
            try append(entry, of: row.key, about: change.task)
        }
    }

    /// The attempts that may have led to the task's remote id: those that were neither released nor given up.
    private func accepted(of row: TaskRow, among balances: [AttemptBalance]) throws -> Set<Int> {
        let candidates = balances.filter { !$0.isReleased }.map(\.attempt)
        guard candidates != [row.task.attempts] else { return Set(candidates) }
        let lost = try transaction.givenUp(.of(row.task.id)).map(\.attempt.attempt.number)
        return Set(candidates).subtracting(lost)
    }

    private mutating func settle(_ attempt: Int, of row: TaskRow, recorded: Int64?, at now: Timestamp) throws {
        let balance = AttemptBalance.of(try transaction.ledger(of: row.task.id)).first { $0.attempt == attempt }
        guard let entry = balance?.settle(recorded: recorded, at: now) else { return }
        try append(entry, of: row.key, about: row.task)
    }

    private mutating func release(_ attempt: Int, of row: TaskRow, at now: Timestamp) throws {
        let balance = AttemptBalance.of(try transaction.ledger(of: row.task.id)).first { $0.attempt == attempt }
        guard let balance, balance.isOpen else { return }
        try append(balance.release(at: now), of: row.key, about: row.task)
        try returnApproval(of: row, from: attempt)
    }

    /// Appends a line, and adds it to the sums of the budgets that count it.
    private mutating func append(_ entry: LedgerEntry, of key: Int64, about task: TrackedTask) throws {
        try transaction.append([entry])
        if let unit = entry.unit, entry.spent != 0 { tell(spent: Amount(micros: entry.spent, unit: unit), of: task.id) }
        try meter(entry, of: key, about: task)
    }
}

extension SettlementTerms {
    /// Whether the estimate is all that the settlement needs.
    fileprivate var isPlain: Bool { recorded == nil && !failuresAreFree }
}

extension Spender {
    fileprivate init(_ task: TrackedTask, _ charge: Charge?, _ lease: LeaseName?) {
        // Its name is that of the provider, a slash and that of the account.
        let named = lease.flatMap { ProviderName(String($0.text.prefix { $0 != "/" })) }
        self.init(
            provider: charge?.provider ?? named ?? .undefined, account: task.account, endpoint: task.endpoint,
            labels: task.labels)
    }
}
