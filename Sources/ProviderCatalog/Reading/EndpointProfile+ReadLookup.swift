package import TaskModel
import VerbatimJSON

extension EndpointProfile {
    /// Reads what the reply to a look-up of one task proves.
    ///
    /// A query that fails says nothing about the task: whatever is not plainly that task's record is `failed`, and the
    /// task is asked for again.
    package func readLookup(_ reply: UpstreamReply, of id: RemoteTaskID) -> LookupVerdict {
        if let wire { return readLookup(reply, of: id, by: wire) }
        let answer = ProviderAnswer(reply, at: self)
        if let observation = finalRecord(answer, of: id) { return .observed(observation) }
        // In a record that is plainly this task's, such a code is why the task failed.
        if answer.isThrottled && !(answer.isSuccess && names(id, answer.record)) {
            return .throttled(failure(answer), retryAfter: answer.retryAfter)
        }
        if saysUnknown(answer) { return .notFound }
        if let (problem, stopsProvider) = queryProblem(answer) {
            return .failed(problem, stopsProvider: stopsProvider)
        }
        guard let record = answer.record, looksLikeRecord(record) || names(id, record) else {
            return .failed(unexpected(answer), stopsProvider: false)
        }
        // An error of the query itself names no task and has no answer of one beside it.
        if answer.error != nil, !record.isWrapped || record.body == nil, !names(id, record) {
            return .failed(failure(answer), stopsProvider: answer.stopsAccount)
        }
        guard record.ids.isEmpty || record.ids.contains(id) else {
            return .failed(otherTask(record), stopsProvider: false)
        }
        return .observed(observe(record, as: .record, httpStatus: answer.status))
    }

    /// A record that names this task and calls it failed, whatever status carries it.
    ///
    /// Captcha reports its terminal time-out as HTTP 504. The task must be named: gateways write `"status": "error"` too.
    private func finalRecord(_ answer: ProviderAnswer, of id: RemoteTaskID) -> Observation? {
        guard !answer.isSuccess, answer.status != 429, let record = answer.record, names(id, record),
            StateWords.ruling(over: reading.words.words(of: record.top)) == .failed
        else { return nil }
        return observe(record, as: .record, httpStatus: answer.status)
    }

    private func names(_ id: RemoteTaskID, _ record: TaskRecord?) -> Bool {
        record?.ids.contains(id) ?? false
    }

    /// `{}` with 200 on most services, 404 with a code of its own on the others; a bare 404 may be any wrong address.
    private func saysUnknown(_ answer: ProviderAnswer) -> Bool {
        switch answer.status {
        case 200...299, 404:
            answer.isUnknownTask || answer.body?.object != nil && answer.record == nil
        default: false
        }
    }

    private func looksLikeRecord(_ record: TaskRecord) -> Bool {
        let telling = [
            "response", "request", "status", "state", "task_id", "id", "data", "success", "finished_at", "created_at",
        ]
        return telling.contains { record.top[$0] != nil } || record.hasResults(under: reading.resultMembers)
    }

    private func otherTask(_ record: TaskRecord) -> TaskFailure {
        TaskFailure(
            code: "other_task",
            message:
                "The provider answered with the record of another task (\(record.ids.map(\.text).joined(separator: ", ")))."
        )
    }
}

extension EndpointProfile {
    /// Why a query got no answer, and whether the account is to blame; nil for 2xx.
    func queryProblem(_ answer: ProviderAnswer) -> (TaskFailure, stopsProvider: Bool)? {
        switch answer.status {
        case 200...299: nil
        case 300...399: (redirect(answer.status, to: answer.location), false)
        case 408, 504: (timeout(answer), false)
        default: (failure(answer), answer.stopsAccount)
        }
    }
}
