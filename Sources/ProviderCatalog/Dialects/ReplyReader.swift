import TaskModel
import VerbatimJSON

/// Reads bodies in a dialect. All dialects share the reading of replies, which uses it.
protocol ReplyReader: ProviderDialect {
    var rules: ResponseRules { get }

    /// The error that a body as a whole reports.
    func error(in body: JSONValue) -> ReportedError?
    /// What the id or result in a 2xx reply to a paid request proves; nil if it has neither.
    ///
    /// An id proves acceptance, with any code. Sending the request again because of the code would pay twice.
    func acceptance(in reply: UpstreamReply, _ answer: ClassifiedReply) -> SubmitVerdict?
    /// What a 2xx reply to a paid request without an id, a result or a listed code proves.
    func withoutAcceptance(_ answer: ClassifiedReply) -> SubmitVerdict
    /// The content of a reply to a look-up.
    func content(of answer: ClassifiedReply, for id: RemoteTaskID) -> LookupContent
    /// Whether a 404 with this body means an unknown task, and is not from a gateway or a framework.
    func saysUnknown(_ body: JSONValue?) -> Bool
}

/// The content of a reply to a look-up.
enum LookupContent {
    case record(Observation)
    case recordOfAnother(String)
    case unknownTask
    case nothing(TaskFailure, suspendsProvider: Bool = false)
    /// Content that decides, regardless of the codes and the status of the reply.
    indirect case certain(LookupContent)
}

/// Why a query failed. Only ``unknownTask`` says anything about a task.
enum QueryProblem: Error {
    case unknownTask
    case throttled(TaskFailure, retryAfter: Duration?)
    case failed(TaskFailure, suspendsProvider: Bool)
}

extension ReplyReader {
    func classify(_ reply: UpstreamReply) -> ClassifiedReply {
        ClassifiedReply(reply, by: rules) { error(in: $0) }
    }

    func readSubmission(_ reply: UpstreamReply) -> SubmitVerdict {
        let answer = classify(reply)
        if answer.isSuccess, let verdict = acceptance(in: reply, answer) { return verdict }
        switch answer.meaning {
        case .fine: return withoutAcceptance(answer)
        case .throttled: return .throttled(answer.failure, retryAfter: answer.retryAfter)
        case .stopped: return .stopped(answer.failure, .account)
        case .moved: return .stopped(answer.failure, .endpoint)
        case .refused(let suspends): return .refused(answer.failure, suspendsProvider: suspends)
        case .unknownTask:
            // In a reply to a submission it means a wrong address or input; with a 2xx it means nothing.
            return 400...499 ~= reply.status
                ? .refused(answer.failure, suspendsProvider: false) : .unknown(answer.failure)
        case .fault(let suspends): return .probablyRefused(answer.failure, suspendsProvider: suspends)
        case .outcomeUnknown: return .unknown(answer.failure)
        }
    }

    func readLookup(_ reply: UpstreamReply, of id: RemoteTaskID) -> LookupVerdict {
        let answer = classify(reply)
        var content = content(of: answer, for: id)
        if case .certain(let certain) = content {
            content = certain
        } else if let problem = problem(answer) {
            return LookupVerdict(problem)
        }
        switch content {
        case .record(let observation): return .observed(observation)
        case .unknownTask, .certain: return .notFound
        case .nothing(let failure, let suspends): return .failed(failure, suspendsProvider: suspends)
        case .recordOfAnother(let told):
            return .failed(
                TaskFailure(
                    code: "other_task", message: "The provider answered with the record of another task (\(told))."),
                suspendsProvider: false)
        }
    }

    /// Reads the items of a batch or a list. `find` locates them.
    func items(in reply: UpstreamReply, at find: (JSONValue) -> [JSONValue]?) throws(QueryProblem) -> [JSONValue] {
        let answer = classify(reply)
        if let problem = problem(answer) { throw problem }
        if let items = answer.body.flatMap(find) { return items }
        throw .failed(rules.unexpected(answer), suspendsProvider: answer.suspendsProvider)
    }

    /// Why a reply cannot have the requested content; nil if it can.
    func problem(_ answer: ClassifiedReply) -> QueryProblem? {
        switch answer.meaning {
        case .fine: nil
        case .throttled: .throttled(answer.failure, retryAfter: answer.retryAfter)
        case .unknownTask where answer.isListedUnknown || saysUnknown(answer.body): .unknownTask
        // It may come from a wrong address or a misconfigured gateway.
        case .unknownTask where answer.error == nil:
            .failed(
                TaskFailure(
                    code: "not_found",
                    message: """
                        The provider answered HTTP status \(answer.status) without an error object. If this is how it says that \
                        it does not know a task, its definition needs `statuses: {unknown_task: [\(answer.status)]}`.
                        """,
                    httpStatus: answer.status), suspendsProvider: false)
        case .stopped, .moved, .refused, .unknownTask, .fault, .outcomeUnknown:
            .failed(answer.failure, suspendsProvider: answer.suspendsProvider)
        }
    }
}

extension LookupVerdict {
    init(_ problem: QueryProblem) {
        switch problem {
        case .unknownTask: self = .notFound
        case .throttled(let failure, let wait): self = .throttled(failure, retryAfter: wait)
        case .failed(let failure, let suspends): self = .failed(failure, suspendsProvider: suspends)
        }
    }
}

/// The look-up of several tasks, read alike in all dialects.
protocol BatchReader: BatchingDialect {
    associatedtype Dialect: ReplyReader
    var dialect: Dialect { get }

    func items(in body: JSONValue) -> [JSONValue]?
    /// The possible ids of an item. The first that was requested counts.
    func ids(of item: JSONValue) -> [RemoteTaskID]
}

extension BatchReader {
    func read(_ reply: UpstreamReply, of ids: [RemoteTaskID]) -> BatchVerdict {
        let asked = Set(ids)
        var observations: [RemoteTaskID: Observation] = [:]
        do throws(QueryProblem) {
            for item in try dialect.items(in: reply, at: items) {
                guard let id = self.ids(of: item).first(where: asked.contains) else { continue }
                // Of two copies, the finished one is newer.
                if let known = observations[id], known.verdict != .pending { continue }
                guard let observation = dialect.observe(item, of: id, httpStatus: reply.status) else { continue }
                observations[id] = observation
            }
        } catch {
            switch error {
            // No id is known. A batch proves that of no task, so each is polled alone next.
            case .unknownTask: return .observed([:])
            case .throttled(let failure, let wait): return .throttled(failure, retryAfter: wait)
            case .failed(let failure, let suspends): return .failed(failure, suspendsProvider: suspends)
            }
        }
        return .observed(observations)
    }
}

/// The provider's own list of tasks, read alike in all dialects.
protocol ListReader: ListingDialect {
    associatedtype Dialect: ReplyReader
    var dialect: Dialect { get }

    func items(in body: JSONValue) -> [JSONValue]?
    /// What the page says about further pages.
    func rest(in body: JSONValue) -> ListRest
}

extension ListReader {
    func rest(in body: JSONValue) -> ListRest { .unstated }

    func read(_ reply: UpstreamReply, figures: Set<JSONPointer>) -> ListingVerdict {
        do throws(QueryProblem) {
            var rest = ListRest.unstated
            let items = try dialect.items(in: reply) { body in
                rest = self.rest(in: body)
                return self.items(in: body)
            }
            let tasks = items.compactMap { item in
                var task = task(in: item)
                // The record itself may be large, and there are thousands.
                for place in figures { task?.figures[place] = item.value(at: place)?.scalar }
                return task
            }
            return .page(tasks, unreadable: items.count - tasks.count, rest: rest)
        } catch {
            switch error {
            case .unknownTask:
                return .failed(
                    TaskFailure(code: "reply_unexpected", message: "The provider has no list there."),
                    suspendsProvider: false)
            case .throttled(let failure, let wait): return .throttled(failure, retryAfter: wait)
            case .failed(let failure, let suspends): return .failed(failure, suspendsProvider: suspends)
            }
        }
    }
}

extension JSONValue {
    /// The value, unless it contains others.
    fileprivate var scalar: JSONValue? {
        switch self {
        case .array, .object: nil
        case .null, .bool, .number, .string: self
        }
    }
}
