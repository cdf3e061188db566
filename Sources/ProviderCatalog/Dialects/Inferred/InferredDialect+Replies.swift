import TaskModel
import VerbatimJSON

extension InferredDialect {
    func error(in body: JSONValue) -> ReportedError? { body.object.flatMap(ReportedError.init(in:)) }

    func acceptance(in reply: UpstreamReply, _ answer: ClassifiedReply) -> SubmitVerdict? {
        guard let record = answer.body.flatMap(TaskRecord.init) else { return nil }
        let id = record.ownID
        if id == nil, answer.meaning == .throttled || answer.meaning == .stopped { return nil }
        let observation = observe(record, as: record.isWrapped ? .record : .reply, httpStatus: answer.status)
        switch (observation.verdict, id) {
        case (.pending, let id?): return .accepted(id, traceID: observation.traceID)
        case (.pending, nil): return .unknown(rules.unexpected(answer, "with a body that names no task"))
        case (.succeeded, _): return .answered(observation, remoteID: id)
        // A reply with an id proves that the task exists; it has failed.
        case (.failed, _?): return .answered(observation, remoteID: id)
        case (.failed, nil): return nil
        }
    }

    /// An error with a 2xx status is a refusal: these services send errors with 200.
    func withoutAcceptance(_ answer: ClassifiedReply) -> SubmitVerdict {
        if let record = answer.body.flatMap(TaskRecord.init), answer.error != nil || record.success == .no {
            let observation = observe(record, as: record.isWrapped ? .record : .reply, httpStatus: answer.status)
            if case .failed(let failure) = observation.verdict { return .refused(failure, suspendsProvider: false) }
        }
        return .unknown(rules.unexpected(answer, "with a body that names no task"))
    }

    func content(of answer: ClassifiedReply, for id: RemoteTaskID) -> LookupContent {
        guard answer.isSuccess else { return finalRecord(in: answer, of: id) }
        guard let record = answer.body.flatMap(TaskRecord.init) else {
            return answer.body?.object == nil
                ? .nothing(rules.unexpected(answer, "with a body that names no task")) : .unknownTask
        }
        let content = content(of: answer, record, for: id)
        // A record with this task's id uses the code for the failure of the task.
        let saysNothing = answer.meaning == .throttled && !record.ids.contains(id)
        return answer.meaning == .unknownTask || saysNothing ? content : .certain(content)
    }

    private func content(of answer: ClassifiedReply, _ record: TaskRecord, for id: RemoteTaskID) -> LookupContent {
        let namesTask = record.ids.contains(id)
        guard looksLikeRecord(record) || namesTask else {
            return .nothing(
                rules.unexpected(answer, "with a body that names no task"), suspendsProvider: answer.suspendsProvider)
        }
        // The error belongs to the query if it names no task and no task's answer stands beside it.
        if answer.error != nil, !record.isWrapped || record.body == nil, !namesTask {
            return .nothing(answer.failure, suspendsProvider: answer.suspendsProvider)
        }
        guard record.ids.isEmpty || namesTask else {
            return .recordOfAnother(record.ids.map(\.text).joined(separator: ", "))
        }
        return .record(observe(record, as: .record, httpStatus: answer.status))
    }

    /// A record that names this task and reports failure, under any status.
    ///
    /// Captcha reports its terminal timeout as HTTP 504. The record must name the task, because gateways also send
    /// `"status": "error"`.
    private func finalRecord(in answer: ClassifiedReply, of id: RemoteTaskID) -> LookupContent {
        guard answer.status != 429, let record = answer.body.flatMap(TaskRecord.init), record.ids.contains(id),
            StatusVocabulary.combined(rules.words.words(of: record.top)) == .failed
        else { return .nothing(answer.failure, suspendsProvider: answer.suspendsProvider) }
        return .certain(.record(observe(record, as: .record, httpStatus: answer.status)))
    }

    /// Most services send `{}`, also with 404. A bare 404 may come from any wrong address.
    func saysUnknown(_ body: JSONValue?) -> Bool {
        guard let body, body.object != nil else { return false }
        return TaskRecord(body) == nil
    }

    private func looksLikeRecord(_ record: TaskRecord) -> Bool {
        let telling = [
            "response", "request", "status", "state", "task_id", "id", "data", "success", "finished_at", "created_at",
        ]
        return telling.contains { record.top[$0] != nil } || record.hasResults(under: resultMembers)
    }

    func minimumPollDelay(from reply: UpstreamReply) -> Duration? { rules.minimumPollDelay(from: reply) }

    func observe(_ record: JSONValue, of id: RemoteTaskID?, httpStatus: Int) -> Observation? {
        guard let record = TaskRecord(record) else { return nil }
        // An item of a batch may only say that the provider does not know the id.
        if let error = ReportedError(in: record.top),
            rules.codes.meaning(code: error.code, message: error.message) == .unknownTask
        {
            return nil
        }
        return observe(record, as: .record, httpStatus: httpStatus)
    }

    func readCallback(_ body: JSONValue) -> (RemoteTaskID?, Observation)? {
        TaskRecord(body).map { record in
            (record.ownID, observe(record, as: record.isWrapped ? .record : .reply, httpStatus: 200))
        }
    }

    func observe(_ record: TaskRecord, as message: Message, httpStatus: Int) -> Observation {
        let verdict = infer(from: record, as: message, httpStatus: httpStatus)
        var observation = Observation(
            verdict, record: record.whole,
            progress: record.progress(scale: progressScale)?.percent?.clamped(to: 0...100),
            traceID: record.traceID, createdAt: record.time("created_at"), startedAt: record.time("started_at"),
            finishedAt: record.time("finished_at") ?? endTime(of: record, verdict),
            unrecognisedShape: verdict == .pending ? unrecognisedShape(of: record) : nil)
        if case .succeeded = verdict { observation.results = results(in: record) }
        return observation
    }

    /// The end of a task whose record has no `finished_at` but the time of its last change.
    private func endTime(of record: TaskRecord, _ verdict: Observation.Verdict) -> Timestamp? {
        switch verdict {
        case .pending: nil
        case .succeeded, .failed: endTimeMember.flatMap { record.time($0) }
        }
    }

    func explanation(of record: JSONValue, httpStatus: Int) -> (rule: String, id: RemoteTaskID?) {
        ("the evidence that all services share; no single rule", TaskRecord(record)?.ids.first)
    }
}

extension InferredBatching {
    /// Services that reply `{}` for one unknown id may do so for several.
    func items(in body: JSONValue) -> [JSONValue]? { body["items"]?.array ?? (body.object?.isEmpty == true ? [] : nil) }

    func ids(of item: JSONValue) -> [RemoteTaskID] { TaskRecord(item)?.ids ?? [] }
}

extension InferredListing {
    func items(in body: JSONValue) -> [JSONValue]? { body["items"]?.array ?? (body.object?.isEmpty == true ? [] : nil) }

    func task(in item: JSONValue) -> ListedTask? {
        guard let record = TaskRecord(item), let id = record.ids.first else { return nil }
        return ListedTask(
            remoteID: id, traceID: record.traceID, createdAt: record.time("created_at"),
            type: record.top["type"]?.string ?? record.top["task_type"]?.string,
            request: record.top["request"] ?? .null)
    }
}
