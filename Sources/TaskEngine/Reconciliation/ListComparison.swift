import ProviderCatalog
import TaskModel
import TaskStore

/// Compares the list of one provider, as its accounts show it, with the tasks. It is a pure function.
///
/// A record has an owner if any task or given-up attempt of the list's services has its id, whatever account sent it. A
/// task is a ghost only if a list proves that its record is missing.
struct ListComparison: Sendable {
    let reading: ProviderLists.Reading
    /// Read after the list.
    let inventory: InventorySnapshot
    /// The tasks of the list's endpoints.
    let tasks: [TrackedTask]
    /// What the ledger counts for the tasks whose records say what they cost.
    var costs: [TaskID: [AttemptCost]] = [:]
    let since: Timestamp
    let limits: EngineLimits

    private var margin: Duration { limits.clockSkew }

    /// The period for which lists are read: the clocks may differ, and an older record shows how far the list reaches.
    static func period(since: Timestamp, until now: Timestamp, _ limits: EngineLimits) -> ClosedRange<Timestamp> {
        since - limits.controlSpan...max(since, now) + limits.clockSkew
    }

    /// Adds what the list shows to the report.
    func add(to report: inout ReconcileReport) {
        for (record, account) in reading.records where record.createdAt.map({ $0 >= since }) ?? true {
            if let holders = inventory.holders[record.remoteID] {
                report.known += 1
                report.priceDifferences += holders.compactMap { difference(of: record, of: account, to: $0) }
            } else if mayBeInFlight(record) {
                report.inFlight += 1
            } else {
                report.orphans.append(orphan(record, of: account))
            }
        }
        let listed = Set(reading.records.map(\.task.remoteID))
        for task in tasks where isComparable(task) {
            guard let remoteID = task.remoteID, let submittedAt = task.submittedAt, !listed.contains(remoteID) else {
                continue
            }
            guard isJudged(task, sentAt: submittedAt) else {
                report.unjudged += 1
                continue
            }
            report.ghosts.append(
                ReconcileReport.Ghost(
                    task: task.id, endpoint: task.endpoint, account: task.account, remoteID: remoteID,
                    state: task.state,
                    submittedAt: submittedAt))
        }
        for (account, list) in reading.lists {
            report.lists.append(
                ReconcileReport.List(
                    provider: reading.group.provider, account: account, services: reading.group.services,
                    condition: list == nil ? .unread : list?.isComplete ?? false ? .read : .incomplete,
                    records: list?.tasks.count ?? 0))
        }
    }

    // MARK: Records

    /// Whether the record may belong to a task whose reply has not been stored yet.
    private func mayBeInFlight(_ record: ListedTask) -> Bool {
        inventory.submitting.contains { task in
            guard let startedAt = task.attempt?.startedAt, let createdAt = record.createdAt else { return true }
            return createdAt >= startedAt - margin
        }
    }

    private func orphan(_ record: ListedTask, of account: AccountName) -> ReconcileReport.Orphan {
        ReconcileReport.Orphan(
            provider: reading.group.provider, account: account, remoteID: record.remoteID, createdAt: record.createdAt,
            prompt: record.shownPrompt, endpoint: endpoint(of: record)?.name,
            uncertain: Array(
                inventory.uncertain.filter { mayBe(record, the: $0) }.map(\.id)
                    .prefix(ReconcileReport.Orphan.mostUncertain)))
    }

    /// Whether the record may be the request of the uncertain task, by the look-ups or else by its time.
    private func mayBe(_ record: ListedTask, the task: TrackedTask) -> Bool {
        guard let attempt = task.attempt else { return false }
        if !attempt.possibleIDs.isEmpty { return attempt.possibleIDs.contains(record.remoteID) }
        guard let createdAt = record.createdAt else { return true }
        return createdAt >= attempt.startedAt - margin && createdAt <= (attempt.endedAt ?? reading.began) + margin
    }

    /// The endpoint as which the record can be tracked: the one of its type, else one of several that are polled alike.
    private func endpoint(of record: ListedTask) -> EndpointProfile? {
        let typed = reading.group.endpoints.filter {
            $0.recordType != nil && $0.recordType?.lowercased() == record.type?.lowercased()
        }
        let possible = (typed.isEmpty ? reading.group.endpoints : typed).filter(\.dialect.canAskByID)
        guard let first = possible.first, possible.allSatisfy({ $0.sharesPolls(with: first) }) else { return nil }
        return first
    }

    /// The difference between what the record of an ended task says that it cost, and what the ledger counts.
    ///
    /// Nil also if it is unknown which attempt has made the record.
    private func difference(
        of record: ListedTask, of account: AccountName, to holder: RemoteIDHolder
    ) -> ReconcileReport.PriceDifference? {
        guard holder.mayHaveCost, let costs = costs[holder.task] else { return nil }
        let billed = costs.filter { !$0.isReleased }
        guard costs.count == 1 || billed.count == 1, let cost = billed.first ?? costs.first,
            let terms = cost.terms, let rule = terms.recorded,
            let recorded = rule.cost(of: record.figures[rule.pointer])
        else { return nil }
        let counted = cost.unit.map { Amount(micros: cost.micros, unit: $0) }
        let shown = Amount(micros: recorded, unit: terms.unit)
        guard shown != counted else { return nil }
        return ReconcileReport.PriceDifference(
            task: holder.task, attempt: cost.attempt, remoteID: record.remoteID, account: account, recorded: shown,
            counted: counted, isSettled: cost.isSettled || cost.isReleased)
    }

    // MARK: Tasks

    /// Whether the provider should have a record of the task.
    private func isComparable(_ task: TrackedTask) -> Bool {
        // When a task was submitted that a person has named is unknown.
        guard task.remoteID != nil, task.attempts > 0, task.submittedAt.map({ $0 >= since }) ?? false else {
            return false
        }
        switch task.state {
        case .queued, .submitting, .uncertain: return false
        case .failed: return task.failure?.code != TaskFailure.remoteTaskNotFound.code
        case .cancelled:
            // Where Pollux cancels at the provider, the record may be gone with that.
            return reading.group.endpoints.first { $0.name == task.endpoint }?.dialect.cancelling == nil
        case .running, .succeeded, .expired: return true
        }
    }

    /// Whether the lists would show the record of a task that was sent then.
    ///
    /// Each account that may have it must have a complete list, of the same base URL and token as then, with a clock
    /// that agrees, and with a record that is as old. Providers remove old records, and nothing tells when.
    private func isJudged(_ task: TrackedTask, sentAt: Timestamp) -> Bool {
        guard sentAt <= reading.began - limits.listedWithin else { return false }
        let own = reading.lists.filter { task.account == .unknown || $0.account == task.account }
        return !own.isEmpty
            && own.allSatisfy { account, list in
                guard let list, list.isComplete,
                    list.clockSkew.map({ abs($0.inSeconds) <= margin.inSeconds }) ?? true,
                    limits.history.listChanges(for: ProviderAccount(provider: reading.group.provider, account: account))
                        .areAllBefore(sentAt)
                else { return false }
                return list.tasks.contains { $0.createdAt.map { $0 <= sentAt + margin } ?? false }
            }
    }
}

extension RemoteIDHolder {
    /// Whether its record says what it cost: it has ended, or its task follows another record.
    fileprivate var mayHaveCost: Bool { isAttempt || state.hasEnded }
}
