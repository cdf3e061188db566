import TaskModel
import VerbatimJSON

extension DeclaredDialect {
    func error(in body: JSONValue) -> ReportedError? {
        let code = text(in: body, at: errorCode)
        let message = text(in: body, at: errorMessage)
        return code == nil && message == nil ? nil : ReportedError(form: .object, code: code, message: message)
    }

    func acceptance(in reply: UpstreamReply, _ answer: ClassifiedReply) -> SubmitVerdict? {
        let body = answer.body ?? .null
        guard acceptance.isMet(by: body), let id = acceptance.id(in: reply, body, self) else { return nil }
        return .accepted(
            id, traceID: text(in: body, at: traceID),
            pollURL: acceptance.pollURL(in: reply, body, self).map(hosts.absolute))
    }

    func withoutAcceptance(_ answer: ClassifiedReply) -> SubmitVerdict {
        guard let body = answer.body, acceptance.isMet(by: body) else {
            return .unknown(answer.body == nil ? rules.unexpected(answer) : answer.failure)
        }
        return .unknown(
            TaskFailure(
                code: "reply_unexpected",
                message: "The provider answered HTTP status \(answer.status) without an id.",
                httpStatus: answer.status))
    }

    /// A code in a record says why the task failed, so rules about records come before rules about codes.
    func content(of answer: ClassifiedReply, for id: RemoteTaskID) -> LookupContent {
        // A record may be empty: then its status alone shows the state.
        guard answer.body != nil || answer.isEmpty else { return .nothing(rules.unexpected(answer)) }
        let body = answer.body ?? .null
        let (observation, rule) = decide(body, of: id, httpStatus: answer.status)
        var content = LookupContent.record(observation)
        if let told = text(in: body, at: recordID), told != id.text { content = .recordOfAnother(told) }
        let isCertain = rule.map { answer.isSuccess ? !$0.isDefault : $0.httpStatuses.contains(answer.status) }
        return isCertain == true ? .certain(content) : content
    }

    func saysUnknown(_ body: JSONValue?) -> Bool { body?.object != nil }

    func minimumPollDelay(from reply: UpstreamReply) -> Duration? {
        rules.minimumPollDelay(from: reply, saying: wait)
    }

    func observe(_ record: JSONValue, of id: RemoteTaskID?, httpStatus: Int) -> Observation? {
        record.object?.isEmpty ?? true ? nil : decide(record, of: id, httpStatus: httpStatus).observation
    }

    func readCallback(_ body: JSONValue) -> (RemoteTaskID?, Observation)? {
        guard body.object?.isEmpty == false else { return nil }
        var spoken = self
        if let callback, !callback.states.isEmpty { spoken.states = callback.states }
        let places = callback.map(\.id) ?? []
        let id = id(in: body, at: places.isEmpty ? recordID : places)
        return (id, spoken.decide(body, of: id, httpStatus: 200).observation)
    }

    func explanation(of record: JSONValue, httpStatus: Int) -> (rule: String, id: RemoteTaskID?) {
        let id = id(in: record, at: recordID)
        guard let rule = decide(record, of: id, httpStatus: httpStatus).rule else {
            return ("none applies, so the task would stay running; add the word or the shape to state", id)
        }
        return ("\(rule.line.map { "line \($0): " } ?? "")\(rule.text(record))", id)
    }
}

extension DeclaredDialect.Acceptance {
    /// Whether the reply says that the request was accepted, if the definition has a condition for that.
    fileprivate func isMet(by body: JSONValue) -> Bool {
        guard let condition else { return true }
        guard let word = body.value(at: condition.at).flatMap(DeclaredDialect.text) else { return false }
        return condition.words.contains { $0.lowercased() == word.lowercased() }
    }

    /// The task id in the reply's body or header field.
    fileprivate func id(in reply: UpstreamReply, _ body: JSONValue, _ dialect: DeclaredDialect) -> RemoteTaskID? {
        dialect.id(in: body, at: id)
            ?? idHeader.flatMap { reply.headers[$0] }.flatMap { RemoteTaskID(Self.lastPart(of: $0)) }
    }

    /// The poll address in the reply.
    fileprivate func pollURL(in reply: UpstreamReply, _ body: JSONValue, _ dialect: DeclaredDialect) -> String? {
        dialect.text(in: body, at: pollURL) ?? pollURLHeader.flatMap { reply.headers[$0] }
    }

    /// The last part of an address's path, without the query; any other text unchanged.
    private static func lastPart(of text: String) -> String {
        var path = text.prefix { $0 != "?" && $0 != "#" }
        guard path.contains("/") else { return text }
        if let mark = path.firstRange(of: "://") { path = path[mark.upperBound...].drop { $0 != "/" } }
        return path.split(separator: "/").last.map(String.init) ?? ""
    }
}

extension DeclaredBatching {
    func items(in body: JSONValue) -> [JSONValue]? { body.value(at: batch.items)?.array }

    func ids(of item: JSONValue) -> [RemoteTaskID] { [dialect.id(in: item, at: batch.id)].compactMap(\.self) }
}

extension DeclaredListing {
    func items(in body: JSONValue) -> [JSONValue]? { body.value(at: list.items)?.array }

    func rest(in body: JSONValue) -> ListRest {
        if let next = list.next {
            return body.value(at: next)?.string.map { $0.isEmpty ? .none : .at($0) } ?? .none
        }
        if let more = list.more {
            // Without the flag nothing shows where the list ends, so that the next page must be empty.
            return body.value(at: more) == false ? .none : .afterLast
        }
        return list.isAfterLast ? .afterLast : .unstated
    }

    func task(in item: JSONValue) -> ListedTask? {
        dialect.id(in: item, at: list.id).map { id in
            ListedTask(
                remoteID: id, traceID: dialect.text(in: item, at: dialect.traceID),
                createdAt: dialect.time(in: item, at: list.createdAt),
                request: list.request.lazy.compactMap { item.value(at: $0) }.first ?? .null)
        }
    }
}

extension DeclaredCancellation {
    func problem(in reply: UpstreamReply) -> (failure: TaskFailure, suspendsProvider: Bool)? {
        let answer = dialect.classify(reply)
        return answer.meaning == .fine ? nil : (answer.failure, answer.suspendsProvider)
    }
}

extension DeclaredResultFetch {
    func read(_ reply: UpstreamReply, of id: RemoteTaskID, after done: Observation) -> LookupVerdict {
        let answer = dialect.classify(reply)
        var observation = done
        // The provider's own error code is required: a gateway's page with the same status says nothing about the task.
        if result.failedStatuses.contains(reply.status), let body = answer.body, answer.saysWhy {
            observation.verdict = .failed(answer.failure)
            observation.record = body
            observation.results = []
            return .observed(observation)
        }
        switch answer.meaning {
        case .fine: break
        case .throttled: return .throttled(answer.failure, retryAfter: answer.retryAfter)
        case .stopped, .moved, .refused, .unknownTask, .fault, .outcomeUnknown:
            return .failed(answer.failure, suspendsProvider: answer.suspendsProvider)
        }
        guard let body = answer.body else { return .failed(dialect.rules.unexpected(answer), suspendsProvider: false) }
        observation.record = body
        observation.results = dialect.results(in: body, of: id)
        return .observed(observation)
    }
}
