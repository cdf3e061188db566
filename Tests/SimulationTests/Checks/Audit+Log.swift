import TaskModel
import VerbatimJSON

/// Checks the log, and the decisions in it.
extension Audit {
    func replay(_ events: [DiskView.EventLine], rows: [String: DiskView.TaskLine], clients: Clients) throws {
        for event in events {
            guard event.sequence == lastSequence + 1 else {
                throw Violation(.eventsInOrder, "event \(lastSequence + 1) is missing")
            }
            lastSequence = event.sequence
            world.trace.note("log \(event.sequence) \(event.task) \(event.kind) to \(event.to)")
            if event.task.isEmpty, ["clock_set", "start_not_checked", "reconciled"].contains(event.kind) { continue }
            try noteJoin(event)
            if let problem = replays[event.task, default: LogReplay()].take(event, atSteady: world.clock.steady) {
                throw Violation(.eventsInOrder, "\(event.task): \(problem)")
            }
            guard let row = rows[event.task], let replay = replays[event.task] else { continue }
            if row.agent != nil { try noteAgentTask(event, clients) }
            if event.kind == "submission_started" { try checkStart(event, of: row) }
            try checkDecision(event, of: row, replay, clients: clients)
        }
        for row in rows.values {
            guard let replay = replays[row.id] else { throw Violation(.eventsInOrder, "\(row.id) has no event") }
            guard replay.state == row.state else {
                throw Violation(.eventsInOrder, "\(row.id) is \(row.state), its log says \(replay.state ?? "nothing")")
            }
            guard replay.attempts == row.attempts else {
                throw Violation(.eventsInOrder, "\(row.id) has \(row.attempts) attempts, its log \(replay.attempts)")
            }
            guard row.state != "running" || replay.remoteID == row.remoteID else {
                throw Violation(.eventsInOrder, "\(row.id) runs as \(row.remoteID ?? "nothing"), its log differs")
            }
        }
        let lost = replays.keys.sorted().first { rows[$0] == nil && gone[$0] == nil }
        if let lost { throw Violation(.acceptedIsNeverLost, "the row of \(lost) is gone") }
    }

    /// Checks that a new attempt respects all limits.
    private func checkStart(_ event: DiskView.EventLine, of row: DiskView.TaskLine) throws {
        guard !rivalHoldsLease else {
            throw Violation(.leaseDecides, "\(row.id) was started under the lease of another daemon")
        }
        try checkResubmission(of: row)
        // Tracked, adopted and reopened tasks are in flight without having taken a slot.
        let inFlight = tasks.count {
            $0.service == row.service && $0.account == row.account && $0.isInFlight && replays[$0.id]?.wasSent ?? false
        }
        if let cap = ProviderWords.inFlightCaps[row.service], inFlight > cap {
            throw Violation(.inFlightCap, "\(inFlight) tasks of \(row.service) are in flight, and the limit is \(cap)")
        }
        let jumps = world.clock.jumps
        if let gap = ProviderWords.submissionGaps[row.service], let last = lastStart[row.accountService],
            last.incarnation == incarnation, last.jumps == jumps, 0..<gap ~= event.at - last.at,
            // A commit can lag behind its decision, so a later decision may be committed first.
            world.clock.steady - last.steady < gap
        {
            throw Violation(.submissionRate, "two starts of \(row.service) within \(event.at - last.at) ms")
        }
        lastStart[row.accountService] = (event.at, incarnation, jumps, world.clock.steady)
    }

    /// Checks who resolved a lost submission, and whether they may.
    private func checkDecision(
        _ event: DiskView.EventLine, of row: DiskView.TaskLine, _ replay: LogReplay, clients: Clients
    ) throws {
        switch event.resolution {
        case "given_up_by_policy":
            let span = world.clock.steady - (replay.uncertainSince ?? 0)
            guard row.onUncertain == "fail" else {
                throw Violation(.onlyWhatWasAsked, "\(row.id): given up under \(row.onUncertain)")
            }
            guard span >= 600_000 || ProviderWords.unlisted.contains(row.service) || world.clock.jumps > 0 else {
                throw Violation(.absenceIsProven, "\(row.id): given up after \(span) ms")
            }
        case "resubmitted_by_policy", "refusal_confirmed":
            if event.resolution == "resubmitted_by_policy", row.onUncertain != "resubmit_if_absent" {
                throw Violation(.onlyWhatWasAsked, "\(row.id): \(event.resolution ?? "") under \(row.onUncertain)")
            }
            let since = replay.uncertainSince ?? 0
            let span = world.clock.steady - since
            for attempt in replay.perhapsAccepted {
                let readings = self.readings(of: row.service, by: attempt.account) { $0 >= since }
                guard readings >= 3, span >= 120_000 || world.clock.jumps > 0 else {
                    throw Violation(
                        .absenceIsProven, "\(row.id): \(readings) readings of \(attempt.account) over \(span) ms")
                }
            }
            try checkAbsence(of: row, by: replay.account, since: replay.startedAt)
        case "resubmitted":
            guard replay.personalResubmissions <= clients.resubmissions[row.id, default: 0] else {
                throw Violation(.onlyWhatWasAsked, "\(row.id) was resubmitted, but not by a person")
            }
        default: break
        }
        if event.kind == "expired", let deadline = row.deadline.map(Timestamp.init(milliseconds:)) {
            let decidedAt = Timestamp(milliseconds: event.at)
            guard world.clock.wasOver(deadline, whenShowing: decidedAt) else {
                throw Violation(.deadlineIsOver, "\(row.id) expired at \(decidedAt), by a clock that had just changed")
            }
        }
        if event.kind == "cancelled", !clients.cancelled.contains(row.id) {
            throw Violation(.onlyWhatWasAsked, "\(row.id) was cancelled, but not by a person")
        }
        if event.kind == "reopened", !clients.reopened.contains(row.id) {
            throw Violation(.onlyWhatWasAsked, "\(row.id) was reopened, but not by a person")
        }
    }

    /// Checks that no visible record was treated as absent.
    private func checkAbsence(of row: DiskView.TaskLine, by account: String, since start: Int64?) throws {
        guard world.clock.jumps == 0, let started = start else { return }
        func point(_ steady: Int64) -> Timestamp {
            world.clock.providerNow - .milliseconds(world.clock.steady - steady)
        }
        let owned = ownedBySubmission
        let its = world.truth.records.first { record in
            guard record.sender?.text == row.id, candidates(for: account).contains(record.account),
                !owned.contains(record.id), let read = readings(of: row.service, by: record.account).last
            else { return false }
            return
                ((record.service == "mine" ? record.isKnown : record.isListed)(point(read))
                && record.createdAt <= point(read)
                || world.habit == .hidesEdits && record.operation == "edit")
                // Records of earlier attempts are the responsibility of the resubmission.
                && record.createdAt >= point(started)
        }
        if let its { throw Violation(.absenceIsProven, "\(row.id) has the record \(its.id), which the list showed") }
    }

    /// Checks that the list was read again, without the record, before a policy's resubmission.
    private func checkResubmission(of row: DiskView.TaskLine) throws {
        guard let replay = replays[row.id], let decided = replay.latestResubmission, !decided.isPersons,
            replay.earlierStartedAt.map({ $0 <= decided.at }) ?? false
        else { return }
        for attempt in replay.perhapsAccepted.dropLast() {
            let readings = self.readings(of: row.service, by: attempt.account) { $0 > decided.at }
            guard readings > 0 || world.clock.jumps > 0 else {
                throw Violation(
                    .absenceIsProven,
                    "\(row.id) was resubmitted without a reading of \(attempt.account) after the decision")
            }
        }
        try checkAbsence(of: row, by: replay.earlierAccount, since: replay.earlierStartedAt)
    }

    /// The remote ids of tasks whose acceptance Pollux saw, without ids that a user supplied.
    var ownedBySubmission: Set<String> {
        Set(tasks.filter { $0.attempts > 0 && $0.resolution != "adopted" }.compactMap(\.remoteID))
            .union(givenUp.compactMap(\.remoteID)).union(gone.values)
    }

    /// Whether the provider lists an accepted task of that endpoint with the most members of any request, to each account that
    /// may have sent the task.
    func hasControl(for row: DiskView.TaskLine, at moment: Timestamp) -> Bool {
        candidates(for: row.account).allSatisfy { hasControl(for: row, of: $0, at: moment) }
    }

    private func hasControl(for row: DiskView.TaskLine, of account: AccountName, at moment: Timestamp) -> Bool {
        tasks.contains { other in
            guard other.id != row.id, other.endpoint == row.endpoint, other.attempts > 0, other.removedParts == 0,
                other.failureCode != "remote_task_not_found",
                [nil, "called_back", "resubmitted", "resubmitted_by_policy"].contains(other.resolution),
                let record = other.remoteID.flatMap(world.truth.record)
            else { return false }
            return record.account == account && record.isListed(at: moment) && record.request["n"] != nil
                && (!world.usesCallbacks || record.request["callback_url"] != nil)
        }
    }
}
