package import TaskModel
import VerbatimJSON

extension TaskStore {
    /// Stores a submission as a new task, or finds the task that it retries, in one commit with its exchange.
    ///
    /// `fates` are those of earlier exchanges that are not stored yet; they are stored first, so that the decision sees them.
    package func submit(
        _ submission: PassedSubmission, after fates: [ExchangeFate], at now: Timestamp
    ) async throws(TaskStoreError) -> PassedResult {
        let prepared = PreparedTask(submission.task)
        return try await commit(.insert([submission.task.task.id])) { changes in
            let transaction = changes.transaction
            try transaction.settle(fates)
            if let arrival = submission.arrival {
                try changes.keepProcessLease()
                try transaction.dropExchanges(
                    deliveredBy: now - JoinRule.deliveredWindow, undeliveredBy: now - arrival.rule.retryWindow,
                    limit: 20)
                if let result = try changes.join(arrival, at: now) { return result }
            }
            guard let insertion = try Self.insert([prepared], in: &changes).first else {
                throw TaskStoreError.failed("an insertion has no answer")
            }
            if insertion == .created, let row = try transaction.tasks([submission.task.task.id]).first {
                try transaction.insert(submission.message, of: row.key)
                if let arrival = submission.arrival { try transaction.insert(arrival, of: row.key, at: now) }
            }
            return .inserted(insertion)
        }
    }

    /// The mark of an arrival at this process. The upper half says which process that is.
    package func mark(_ random: UInt32) -> Int64 {
        Int64(bitPattern: UInt64(holder.token.exchangeHalf) << 32 | UInt64(random))
    }

    /// Stores what became of replies.
    package func settle(_ fates: [ExchangeFate]) async throws(TaskStoreError) {
        guard !fates.isEmpty else { return }
        try await write("settleExchanges") { try $0.settle(fates) }
    }

    /// Declares undelivered what was open when an earlier process ended.
    package func endOpenExchanges(at now: Timestamp) async throws(TaskStoreError) {
        try await write("endOpenExchanges") { try $0.endOpenExchanges(at: now) }
    }

    /// Exchanges whose replies were delivered, as far as is known, with their tasks: since that time, or all.
    package func deliveredExchanges(
        since time: Timestamp? = nil
    ) async throws(TaskStoreError) -> [(task: TaskID, fate: ExchangeFate)] {
        try await read("deliveredExchanges") { try $0.deliveredExchanges(since: time) }
    }

    /// What a program sent besides the members of its request; nil for a task that did not come through the gateway.
    package func passedMessage(of task: TaskID) async throws(TaskStoreError) -> PassedMessage? {
        try await read("passedMessage") { try $0.passedMessage(of: task) }
    }

    /// The provider's reply to the submission of a task, if it is kept.
    package func submissionReply(of task: TaskID) async throws(TaskStoreError) -> SubmissionReply? {
        try await read("submissionReply") { try $0.submissionReply(of: task) }
    }

    /// The tasks that own these remote ids in any of the services.
    package func owners(
        of ids: [RemoteTaskID], in services: [ServiceName]
    ) async throws(TaskStoreError) -> [RemoteTaskID: TaskID] {
        try await read("owners", .snapshot) { rows in
            var owners: [RemoteTaskID: TaskID] = [:]
            for id in ids {
                owners[id] = try services.lazy.compactMap { try rows.owner(of: id, service: $0) }.first
            }
            return owners
        }
    }
}

extension ChangeSet {
    /// The equal exchanges. Those of a process that is dead were not delivered.
    private func exchanges(like arrival: PassedSubmission.Arrival) throws -> [Exchange] {
        var known = try transaction.exchanges(with: arrival.contentKey)
        guard let leaseTerm, known.contains(where: { isElsewhere($0) }) else { return known }
        try transaction.endDeadProcesses(at: transaction.now())
        known = try transaction.exchanges(with: arrival.contentKey)
        // The times of different machines differ by less.
        let shown = arrival.since + .seconds(1) + leaseTerm
        let living = try transaction.leases().filter { $0.expiresAt.map { $0 > shown } ?? true }
        let halves = Set(living.map(\.token.exchangeHalf))
        for index in known.indices where isElsewhere(known[index]) {
            known[index].isOpenElsewhere = !halves.contains(known[index].half)
        }
        return known
    }

    private func isElsewhere(_ exchange: Exchange) -> Bool {
        exchange.fate == .open && exchange.half != holder.token.exchangeHalf
    }

    /// Claims the exchange that the arrival retries, and opens another one of the same task; nil if it is no retry.
    fileprivate mutating func join(_ arrival: PassedSubmission.Arrival, at now: Timestamp) throws -> PassedResult? {
        guard arrival.mayJoin else { return nil }
        let known = try exchanges(like: arrival)
        let claimed: Exchange
        switch arrival.rule.decide(
            among: known, isCountedRetry: arrival.isCountedRetry, hasWaited: arrival.hasWaited, at: now)
        {
        case .claim(let exchange): claimed = exchange
        case .wait(let until): return .undecided(until: until)
        case .new: return nil
        }
        guard let row = try transaction.tasks([claimed.task]).first else { return nil }
        try transaction.drop(claimed)
        try transaction.insert(arrival, of: row.key, at: now)
        let detail = JSONObject([
            ("exchange", .number(JSONNumber(claimed.number))), ("fate", .string(claimed.fate.rawValue)),
            ("counted", .bool(arrival.isCountedRetry)),
        ])
        append(
            TaskLogEntry(at: now, kind: "joined", from: row.task.state, to: row.task.state, detail: detail),
            of: row.key, about: row.task)
        return .joined(row.task.id)
    }
}

extension Exchange {
    /// What its mark says about its process.
    fileprivate var half: UInt32 { UInt32(truncatingIfNeeded: mark >> 32) }
}
