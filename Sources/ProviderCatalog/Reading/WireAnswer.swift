package import TaskModel
import VerbatimJSON

/// A whole answer, compared with what an endpoint's definition says of codes and statuses.
struct WireAnswer {
    /// What it says about the request that it answers.
    enum Meaning: Hashable {
        /// 2xx and nothing against it.
        case fine
        case throttled
        /// No request of the account is taken.
        case stopped
        /// The address leads elsewhere, and nothing was taken.
        case moved
        case refused(stopsProvider: Bool)
        case unknownTask
        /// The provider's own fault, by a code of its own.
        case fault
        case outcomeUnknown
    }

    let status: Int
    /// Nil where the body is no JSON document.
    let body: JSONValue?
    let meaning: Meaning
    let failure: TaskFailure
    /// Whether it has a code or a message where the provider's errors have them; with a status of 500 and above a code of
    /// its own, since frameworks and gateways have messages too.
    let saysWhy: Bool
    /// How long the provider asks to be left alone, where it does.
    let retryAfter: Duration?
    /// The coding of a body that could not be decoded.
    let coding: String?

    init(_ reply: UpstreamReply, at endpoint: EndpointProfile, by wire: Wire) {
        status = reply.status
        coding = reply.headers["content-encoding"]
        // A body that cannot be read is a case of its own, not an error to pass on.
        let body = try? JSONValue(parsing: reply.body, limits: .lenient)
        self.body = body
        let code = body.flatMap { wire.text(in: $0, at: wire.errorCode) }
        let message = body.flatMap { wire.text(in: $0, at: wire.errorMessage) }
        saysWhy = code?.contains(where: \.isLetter) ?? false || (message ?? code) != nil && reply.status < 500
        let codes = endpoint.reading.codes
        retryAfter = endpoint.retryAfter(reply, body)
        meaning = Meaning(codes.meaning(code: code, message: message) ?? codes.statuses[reply.status], reply.status)
        if code == nil, message == nil, 300...399 ~= reply.status {
            failure = endpoint.redirect(reply.status, to: reply.headers["location"])
            return
        }
        let usual = reply.status == 401 || reply.status == 403 ? "unauthorized" : "provider_refused"
        failure = TaskFailure(
            code: code ?? (200...499 ~= reply.status ? usual : "provider_error"),
            message: message ?? "The provider answered with HTTP status \(reply.status) and does not say why.",
            httpStatus: reply.status, hint: code.flatMap { codes.hint(for: $0, at: endpoint.name) })
    }
}

extension WireAnswer.Meaning {
    /// What the definition says, else what the status usually means.
    fileprivate init(_ declared: AnswerMeaning?, _ status: Int) {
        self =
            switch (declared, status) {
            case (.throttled, _): .throttled
            case (.stopsAccount, _): .stopped
            case (.refusedStopsAccount, _): .refused(stopsProvider: true)
            case (.outcomeUnknown, _): .outcomeUnknown
            case (.unknownTask, _): .unknownTask
            case (.refused, _): .refused(stopsProvider: false)
            case (.serverFault, _): .fault
            case (nil, 200...299): .fine
            case (nil, 301), (nil, 307), (nil, 308): .moved
            case (nil, 429): .throttled
            case (nil, 401), (nil, 402): .refused(stopsProvider: true)
            case (nil, 408): .outcomeUnknown
            case (nil, 404): .unknownTask
            case (nil, 400...499): .refused(stopsProvider: false)
            case (nil, _): .outcomeUnknown
            }
    }
}

extension Wire.Acceptance {
    /// Whether the reply says that the request was taken, where the definition wants to be told.
    fileprivate func isMet(by body: JSONValue) -> Bool {
        guard let condition else { return true }
        guard let word = body.value(at: condition.at).flatMap(Wire.text) else { return false }
        return condition.words.contains { $0.lowercased() == word.lowercased() }
    }

    /// The id that the reply gives the task, in its body or in a header field.
    fileprivate func id(in reply: UpstreamReply, _ body: JSONValue, _ wire: Wire) -> RemoteTaskID? {
        wire.id(in: body, at: id)
            ?? idHeader.flatMap { reply.headers[$0] }.flatMap { RemoteTaskID(Self.lastPart(of: $0)) }
    }

    /// Where the reply says to ask.
    fileprivate func pollURL(in reply: UpstreamReply, _ body: JSONValue, _ wire: Wire) -> String? {
        wire.text(in: body, at: pollURL) ?? pollURLHeader.flatMap { reply.headers[$0] }
    }

    /// Of an address what stands behind its last slash, without the query; anything else as it is.
    private static func lastPart(of text: String) -> String {
        var path = text.prefix { $0 != "?" && $0 != "#" }
        guard path.contains("/") else { return text }
        if let mark = path.firstRange(of: "://") { path = path[mark.upperBound...].drop { $0 != "/" } }
        return path.split(separator: "/").last.map(String.init) ?? ""
    }
}

extension EndpointProfile {
    /// Reads the reply to a paid request by the endpoint's rules; what they do not prove stays unknown.
    func readSubmission(_ reply: UpstreamReply, by wire: Wire) -> SubmitVerdict {
        let answer = WireAnswer(reply, at: self, by: wire)
        // An id is proof, whatever stands beside it: a task that has failed within the second has a code too, and one that
        // would be sent again for it would be paid for twice.
        let body = answer.body ?? .null
        if 200...299 ~= reply.status, wire.acceptance.isMet(by: body),
            let id = wire.acceptance.id(in: reply, body, wire)
        {
            return .accepted(
                id, traceID: wire.text(in: body, at: wire.traceID),
                pollURL: wire.acceptance.pollURL(in: reply, body, wire).map(hosts.absolute))
        }
        switch answer.meaning {
        case .fine: break
        case .throttled: return .throttled(answer.failure, retryAfter: answer.retryAfter)
        case .stopped: return .stopped(answer.failure, .account)
        case .moved: return .stopped(answer.failure, .endpoint)
        case .refused(let stopsProvider): return .refused(answer.failure, stopsProvider: stopsProvider)
        case .unknownTask:
            // Said to a submission, it means a wrong address or model; under a 2xx it means nothing.
            return 400...499 ~= reply.status ? .refused(answer.failure, stopsProvider: false) : .unknown(answer.failure)
        case .fault: return .probablyRefused(answer.failure)
        case .outcomeUnknown: return .unknown(answer.failure)
        }
        guard answer.body != nil else { return .unknown(unreadable(answer)) }
        guard wire.acceptance.isMet(by: body) else { return .unknown(answer.failure) }
        return .unknown(
            TaskFailure(
                code: "reply_unexpected",
                message: "The provider answered HTTP status \(reply.status) without an id.", httpStatus: reply.status))
    }

    /// Reads the reply to a status query by the endpoint's rules.
    func readLookup(_ reply: UpstreamReply, of id: RemoteTaskID, by wire: Wire) -> LookupVerdict {
        let answer = WireAnswer(reply, at: self, by: wire)
        let read = (answer.body ?? (reply.body.isEmpty ? .null : nil)).map { body in
            (body, observe(body, by: wire, httpStatus: reply.status))
        }
        // A code in a record says why the task failed, so rules about records come before rules about codes.
        let isDecided = read?.1.rule.map { rule in
            200...299 ~= reply.status ? !rule.isDefault : rule.httpStatuses.contains(reply.status)
        }
        if isDecided != true, let problem = problem(answer, reply) { return problem }
        guard let (body, (observation, _)) = read else { return .failed(unreadable(answer), stopsProvider: false) }
        if let told = wire.text(in: body, at: wire.recordID), told != id.text {
            return .failed(
                TaskFailure(
                    code: "other_task", message: "The provider answered with the record of another task (\(told))."),
                stopsProvider: false)
        }
        return .observed(observation)
    }

    /// Why a reply to a cancellation is no consent, and whether the account is to blame; nil where it is one.
    package func cancellationProblem(_ reply: UpstreamReply) -> (failure: TaskFailure, stopsProvider: Bool)? {
        guard let wire else { return nil }
        let answer = WireAnswer(reply, at: self, by: wire)
        return switch answer.meaning {
        case .fine: nil
        case .stopped: (answer.failure, true)
        case .refused(let stopsProvider): (answer.failure, stopsProvider)
        case .throttled, .moved, .unknownTask, .fault, .outcomeUnknown: (answer.failure, false)
        }
    }

    /// Reads the reply that should hold the result of a task which is done.
    ///
    /// Whatever is not the result leaves the task running, and the result is asked for again.
    package func readResult(_ reply: UpstreamReply, after done: Observation) -> LookupVerdict {
        guard let wire else { return .observed(done) }
        let answer = WireAnswer(reply, at: self, by: wire)
        var observation = done
        // In the provider's own words: a page of a gateway's with the same status says nothing about the task.
        if wire.result?.failedStatuses.contains(reply.status) ?? false, let body = answer.body, answer.saysWhy {
            observation.verdict = .failed(answer.failure)
            observation.record = body
            return .observed(observation)
        }
        switch answer.meaning {
        case .fine: break
        case .throttled: return .throttled(answer.failure, retryAfter: answer.retryAfter)
        case .stopped: return .failed(answer.failure, stopsProvider: true)
        case .refused(let stopsProvider): return .failed(answer.failure, stopsProvider: stopsProvider)
        case .moved, .unknownTask, .fault, .outcomeUnknown: return .failed(answer.failure, stopsProvider: false)
        }
        guard let body = answer.body else { return .failed(unreadable(answer), stopsProvider: false) }
        observation.record = body
        return .observed(observation)
    }

    func readBatch(
        _ reply: UpstreamReply, of ids: [RemoteTaskID], by wire: Wire, _ batch: Wire.Batch
    ) -> BatchVerdict {
        switch items(reply, at: batch.items, by: wire) {
        case .success(let items):
            let asked = Set(ids)
            var observations: [RemoteTaskID: Observation] = [:]
            for item in items {
                guard let id = wire.id(in: item, at: batch.id), asked.contains(id) else { continue }
                // Of two copies the finished one is the newer.
                if let known = observations[id], known.verdict != .pending { continue }
                observations[id] = observe(item, by: wire, httpStatus: reply.status).observation
            }
            return .observed(observations)
        case .failure(let problem):
            switch problem.verdict {
            case .throttled(let failure, let retryAfter): return .throttled(failure, retryAfter: retryAfter)
            case .failed(let failure, let stopsProvider): return .failed(failure, stopsProvider: stopsProvider)
            case .observed, .notFound: return .observed([:])
            }
        }
    }

    func listedTask(_ item: JSONValue, by wire: Wire, _ list: Wire.List) -> ListedTask? {
        wire.id(in: item, at: list.id).map { id in
            ListedTask(
                remoteID: id, traceID: wire.text(in: item, at: wire.traceID),
                createdAt: wire.time(in: item, at: list.createdAt),
                request: list.request.lazy.compactMap { item.value(at: $0) }.first ?? .null)
        }
    }

    func readListing(_ reply: UpstreamReply, by list: Wire.List) -> ListingVerdict {
        guard let wire else { return .page([]) }
        switch items(reply, at: list.items, by: wire) {
        case .success(let items):
            let tasks = items.compactMap { listedTask($0, by: wire, list) }
            return .page(tasks, unreadable: items.count - tasks.count)
        case .failure(let problem):
            switch problem.verdict {
            case .throttled(let failure, let retryAfter): return .throttled(failure, retryAfter: retryAfter)
            case .failed(let failure, let stopsProvider): return .failed(failure, stopsProvider: stopsProvider)
            case .observed, .notFound:
                return .failed(
                    TaskFailure(code: "reply_unexpected", message: "The provider has no list there."),
                    stopsProvider: false)
            }
        }
    }

    private struct QueryProblem: Error { let verdict: LookupVerdict }

    private func items(
        _ reply: UpstreamReply, at pointer: JSONPointer, by wire: Wire
    ) -> Result<[JSONValue], QueryProblem> {
        let answer = WireAnswer(reply, at: self, by: wire)
        if let problem = problem(answer, reply) { return .failure(QueryProblem(verdict: problem)) }
        guard let items = answer.body?.value(at: pointer)?.array else {
            return .failure(QueryProblem(verdict: .failed(unreadable(answer), stopsProvider: false)))
        }
        return .success(items)
    }

    /// What keeps an answer from being a record; nil where nothing does.
    private func problem(_ answer: WireAnswer, _ reply: UpstreamReply) -> LookupVerdict? {
        switch answer.meaning {
        case .fine: nil
        case .throttled: .throttled(answer.failure, retryAfter: answer.retryAfter)
        case .stopped: .failed(answer.failure, stopsProvider: true)
        // A bare 404 may be any wrong address, or a gateway that has lost its way.
        case .unknownTask where answer.body?.object == nil && reading.codes.statuses[reply.status] == nil:
            .failed(
                TaskFailure(
                    code: "not_found",
                    message: """
                        The provider answered HTTP status \(reply.status) with no object of its own. If that is how it says that \
                        it does not know a task, its definition needs `statuses: {unknown_task: [\(reply.status)]}`.
                        """,
                    httpStatus: reply.status), stopsProvider: false)
        case .unknownTask: .notFound
        case .refused(let stopsProvider): .failed(answer.failure, stopsProvider: stopsProvider)
        case .moved, .fault, .outcomeUnknown: .failed(answer.failure, stopsProvider: false)
        }
    }

    private func unreadable(_ answer: WireAnswer) -> TaskFailure {
        TaskFailure(
            code: answer.body == nil ? "reply_unreadable" : "reply_unexpected",
            message: answer.body == nil
                ? "The provider answered HTTP status \(answer.status) with a body that is \(Self.unreadable(answer.coding))."
                : "The provider answered HTTP status \(answer.status) with a body of another shape.",
            httpStatus: answer.status)
    }
}
