import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Checks payments, deliveries, outcomes and results.
extension Audit {
    // MARK: Payments

    func checkPayments(rows: [String: DiskView.TaskLine]) throws {
        let sent = world.truth.sent
        for request in sent[checkedSends...] {
            guard request.address == request.madeFor else {
                throw Violation(
                    .addressFits,
                    "a request made for \(request.madeFor ?? "none") was sent to \(request.address ?? "none")")
            }
            guard let sender = request.sender?.text, let row = rows[sender] else {
                throw Violation(.intentBeforeFirstByte, "a paid request was sent without a task")
            }
            let sends = sent.count { $0.sender?.text == sender }
            guard row.state == "submitting", sends <= row.attempts else {
                throw Violation(
                    sends > row.attempts && row.attempts > 0 ? .billedOnce : .intentBeforeFirstByte,
                    "\(sender) is \(row.state) with \(row.attempts) attempts, and \(sends) paid requests went out")
            }
        }
        for case let sender? in sent[checkedSends...].map({ $0.sender?.text }) {
            sentAttempts[sender] = rows[sender]?.attempts
        }
        checkedSends = sent.count
        var bills: [String: Int] = [:]
        for record in world.truth.records { if let sender = record.sender { bills[sender.text, default: 0] += 1 } }
        for (sender, count) in bills where count > 1 {
            // The provider refuses a client id that it has seen, if the same account sends it again.
            guard rows[sender]?.service != "mine" || world.accounts.wasRemoved else {
                throw Violation(.billedOnce, "\(sender) was billed \(count) times under one client id")
            }
            let allowed = 1 + (replays[sender]?.resubmissions ?? 0)
            guard count <= allowed else {
                throw Violation(.billedOnce, "\(sender) was billed \(count) times, and \(allowed) were allowed")
            }
        }
    }

    // MARK: Deliveries

    func checkDeliveries(rows: [String: DiskView.TaskLine]) throws {
        if let misjudged { throw Violation(.tokenDecides, misjudged) }
        for (task, count) in acknowledged {
            // Ended tasks record only contradicting deliveries.
            guard let row = rows[task], !row.hasEnded, row.callbacks < count else { continue }
            throw Violation(.deliveryIsKept, "\(task) has \(row.callbacks) deliveries, and \(count) were acknowledged")
        }
    }

    // MARK: Outcomes

    func checkOutcomes(_ clients: Clients) throws {
        for row in tasks where row.hasEnded {
            let reopenings = replays[row.id]?.reopenings ?? 0
            if let known = outcomes[row.id], known.reopenings == reopenings {
                guard row.removedParts == 0 ? known.line == row.outcome : known.core == row.core else {
                    throw Violation(
                        row.removedParts == 0 ? .outcomeStands : .stubStays,
                        "\(row.id) was \(known.line) and is \(row.outcome)")
                }
                continue
            }
            outcomes[row.id] = (row.outcome, row.core, reopenings)
            if let problem = problem(withOutcomeOf: row, clients) {
                throw Violation(.outcomeIsTrue, "\(row.id) \(row.state) \(row.failureCode ?? ""): \(problem)")
            }
        }
        for (id, known) in outcomes {
            guard let row = tasks.first(where: { $0.id == id }), !row.hasEnded else { continue }
            guard (replays[id]?.reopenings ?? 0) > known.reopenings else {
                throw Violation(.outcomeStands, "\(id) had ended and is \(row.state)")
            }
        }
    }

    private func problem(withOutcomeOf row: DiskView.TaskLine, _ clients: Clients) -> String? {
        let now = world.clock.providerNow
        let record = row.remoteID.flatMap { id in world.truth.record(id) }
        switch (row.state, row.failureCode) {
        case ("succeeded", _), ("failed", "forbidden"):
            // If a user tracks its id, a task can have its result from a late reply without an id.
            guard let record = record ?? world.truth.records.first(where: { $0.sender?.text == row.id }) else {
                return "the provider has no record of it with the id \(row.remoteID ?? "none")"
            }
            guard record.ending.rawState == row.state, record.isFinished(at: now) else { return "\(record.id) differs" }
            // Records do not contain the operation. A given-up task's record may match any equal request.
            let isAbandoned = record.sender.map { self.isAbandoned($0.text) } ?? false
            if record.sender == nil, record.request["mode"] != nil, row.attempts > 0, row.resolution != "adopted" {
                return "\(record.id) belongs to another program's larger request"
            }
            // A list may not show the endpoint, so a comparison takes one that is polled alike.
            let isAdopted = world.reconciles && row.attempts == 0 && record.service == row.service
            guard "\(record.service)/\(record.operation)" == row.endpoint || isAbandoned || isAdopted else {
                return "\(record.id) has another endpoint"
            }
            let wanted = clients.request(of: row)
            let isIt = wanted.map { $0.isCovered(by: record.request) } ?? true
            return isIt ? nil : "\(record.id) was asked for differently"
        case ("failed", "remote_task_not_found"):
            return record.map { $0.isForgotten(at: now) } ?? true ? nil : "the provider has it"
        case ("failed", "submission_lost"):
            return row.resolution == "given_up" || row.resolution == "given_up_by_policy" ? nil : "it was not given up"
        case ("failed", "api_error"):
            return row.resolution == "refusal_confirmed" ? nil : "nothing confirms it"
        case ("failed", "bad_request"), ("failed", "used_up"), ("failed", "invalid_token"):
            return world.truth.refused.contains { $0.text == row.id } ? nil : "the provider never refused it"
        case ("failed", let code): return "no reason to fail: \(code ?? "none")"
        case ("expired", _): return row.deadline == nil ? "it had no deadline" : nil
        default: return nil
        }
    }

    /// Checks that each success shows the results that the dialect names for its record, from rows of the store.
    ///
    /// A restored copy may lack long values that were removed after it was made.
    func checkResults(in store: TaskStore, mayLackParts: Bool) async throws {
        for row in tasks
        where row.state == "succeeded" && row.removedParts & RemovedDetails.Parts.response.rawValue == 0 {
            guard let id = TaskID(row.id), let stored = try await self.stored(id, in: store, mayLackParts: mayLackParts)
            else { continue }
            guard let record = stored.payload.response, let profile = world.catalog.endpoint(stored.task.endpoint)
            else { throw Violation(.resultsAreStored, "\(row.id) has no record") }
            let named = profile.dialect.results(in: record, of: stored.task.remoteID)
            let shown = stored.payload.results.map { results in
                results.map { result in
                    var result = result
                    (result.artefact, result.content) = (nil, nil)
                    return result
                }
            }
            guard let shown, shown == named, !shown.isEmpty else {
                let values = stored.payload.results.map { $0.map(\.value.text) } ?? []
                throw Violation(
                    .resultsAreStored, "\(row.id) shows \(values), and its record has \(named.map(\.value.text))")
            }
        }
    }

    /// The task as a client gets it; nil if its long value is missing and may be.
    private func stored(_ id: TaskID, in store: TaskStore, mayLackParts: Bool) async throws -> TaskWithPayload? {
        let stored: TaskWithPayload?
        do throws(TaskStoreError) {
            stored = try await store.taskWithPayload(id)
        } catch .partUnreadable(let words) {
            if mayLackParts { return nil }
            throw Violation(.partIsSynced, "\(id): \(words)")
        }
        guard let stored else { throw Violation(.resultsAreStored, "\(id) is missing") }
        let content = stored.payload.response?.value(at: JSONPointer(tokens: ["response", "data", "0", "b64_json"]))
        if world.keepsParts, let owner = stored.task.remoteID, let content,
            content.string != ProviderWords.content(of: owner.text)
        {
            throw Violation(.resultsAreStored, "\(id) shows another value than the provider sent")
        }
        return stored
    }

    /// Whether a user or a policy gave up the paid result.
    private func isAbandoned(_ id: String) -> Bool {
        let wasGivenUp = tasks.first { $0.id == id }?.resolution?.hasPrefix("given_up") ?? false
        return wasGivenUp || wasResubmitted(id)
    }

    // MARK: Accounts

    /// Checks that each task is polled with the account that submitted it. One list may show the tasks of both accounts
    /// of a user. That counts only for tasks that were found there, or tracked from there.
    func checkAccounts(rows: [String: DiskView.TaskLine]) throws {
        let questions = world.truth.questions
        defer { checkedQuestions = questions.count }
        for question in questions[checkedQuestions...] {
            for id in question.ids {
                guard let record = world.truth.record(id), record.account != question.account else { continue }
                let owner = tasks.first { $0.remoteID == id }
                let isShared = world.accounts.user(of: question.account) == record.user
                let isAdopted = world.reconciles && owner?.attempts == 0
                guard isShared, owner?.resolution != nil || isAdopted else {
                    throw Violation(
                        .accountAsks, "\(id) of account \(record.account) is asked for by account \(question.account)")
                }
            }
        }
    }

    /// The accounts that may have sent an attempt.
    func candidates(for account: String) -> [AccountName] {
        account.isEmpty ? world.accounts.configured : [AccountName(stored: account)]
    }

    /// The steady times when the account's list of a service was read to its end.
    func readings(of service: String, by account: AccountName) -> [Int64] {
        world.truth.readings.filter { $0.service.service.text == service && $0.service.account == account }
            .map(\.steady)
    }

    /// How many of these times each account was read that may have sent the attempt.
    func readings(of service: String, by account: String, when isCounted: (Int64) -> Bool) -> Int {
        candidates(for: account).map { readings(of: service, by: $0).count(where: isCounted) }.min() ?? 0
    }
}

extension ProviderTruth.Ending {
    fileprivate var rawState: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed: "failed"
        }
    }
}
