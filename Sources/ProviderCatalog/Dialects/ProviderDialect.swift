package import TaskModel
package import VerbatimJSON

/// How one endpoint of a provider speaks: builds its requests and reads the replies. It sends nothing.
///
/// An ability that not every endpoint has is a further protocol. A dialect returns it where its endpoint has it.
package protocol ProviderDialect: Sendable {
    /// Builds the paid request.
    ///
    /// The program's members pass unchanged and in their order. `ownID` goes where the endpoint takes one, unless the
    /// program gave its own.
    func submission(
        of request: JSONObject, callbackURL: String?, ownID: String?
    ) throws(RequestProblem) -> UpstreamRequest
    /// Reads what the reply to a paid request proves.
    ///
    /// Where nothing is proven the verdict is `unknown`. Then the request must not be sent again: it may be billed.
    func readSubmission(_ reply: UpstreamReply) -> SubmitVerdict
    /// The part of a program's request that goes into the body, which is what the provider can echo.
    func body(of request: JSONObject) -> JSONObject

    /// Asks for one task; `pollURL` is where the provider said to ask, if it did.
    func lookup(_ id: RemoteTaskID, pollURL: String?) throws(RequestProblem) -> UpstreamRequest
    /// Reads what the reply to a look-up of one task proves. A query that fails says nothing about the task.
    func readLookup(_ reply: UpstreamReply, of id: RemoteTaskID) -> LookupVerdict
    /// How long a successful reply asks to leave its tasks alone; nil where it does not.
    func minimumPollDelay(from reply: UpstreamReply) -> Duration?
    /// Reads one task's record; nil where it says that there is no such task.
    ///
    /// `httpStatus` ends up in the failure, if there is one. `id` is the provider's, where it is known besides.
    func observe(_ record: JSONValue, of id: RemoteTaskID?, httpStatus: Int) -> Observation?
    /// Reads what the provider sent to our callback URL, with the id that it names; nil where it speaks of no task.
    ///
    /// The body is a hint: it may be unsigned, repeated, early or forged.
    func readCallback(_ body: JSONValue) -> (RemoteTaskID?, Observation)?
    /// Names the results that a record holds; empty where it holds none.
    func results(in record: JSONValue, of id: RemoteTaskID?) -> [TaskResult]

    /// Whether the reply to a submission is the result itself, never only an id.
    var answersOnlyInline: Bool { get }
    /// Whether a submission can carry a callback URL.
    var takesCallbacks: Bool { get }
    /// The request member that holds the callback URL; nil if the URL goes elsewhere or is not sent.
    var callbackMember: String? { get }
    /// The member of a request that takes an id of the client's.
    ///
    /// The task is looked up by it, and the provider refuses it a second time. A lost reply is found again by it.
    var ownIDMember: String? { get }
    /// Whether the provider can be asked about a task of which only the id is known.
    var canAskByID: Bool { get }
    /// Where look-ups of one task go.
    var lookupRoute: QueryRoute { get }

    /// The look-up of several tasks at once; nil where each task needs its own.
    var batching: (any BatchingDialect)? { get }
    /// The provider's own list of tasks; nil where there is none that can be read.
    var listing: (any ListingDialect)? { get }
    /// How a task is ended at the provider; nil where it cannot be.
    var cancelling: (any CancellableDialect)? { get }
    /// Fetches results that the record does not contain; nil if the record contains them.
    var resultFetching: (any ResultFetchingDialect)? { get }

    /// The inverse, for programs that speak to the provider through the gateway.
    var gateway: any GatewayDialect { get }

    /// The same dialect for the provider at another place; requests go to these hosts only.
    func moved(to hosts: HostAllowlist) -> Self
    /// The rule that decides about a record, and the id that the record names, for people.
    func explanation(of record: JSONValue, httpStatus: Int) -> (rule: String, id: RemoteTaskID?)
}

/// Looks several tasks up with one query.
package protocol BatchingDialect: Sendable {
    /// How many ids one query may name.
    var size: Int { get }
    /// Where the query goes.
    var route: QueryRoute { get }
    /// Asks for several tasks; nil where nothing is asked or an id cannot be sent.
    func lookup(_ ids: [RemoteTaskID]) -> UpstreamRequest?
    /// Reads what the reply says of each task.
    ///
    /// Records are matched by id, never by position: replies come in another order, leave out unknown ids and repeat ids.
    func read(_ reply: UpstreamReply, of ids: [RemoteTaskID]) -> BatchVerdict
}

/// Reads the provider's own list of tasks.
package protocol ListingDialect: Sendable {
    /// Where the list is known from.
    var trust: ListingTrust { get }
    /// Whether the list is one page that its definition promises to be whole.
    var isWhole: Bool { get }
    /// Where the query goes.
    var route: QueryRoute { get }
    /// Asks for one page of the tasks created within a window, which is widened to whole seconds.
    func page(from: Timestamp, to: Timestamp, offset: Int, limit: Int) -> UpstreamRequest?
    /// Reads one page. Counts beside it are not used, for they count different things.
    func read(_ reply: UpstreamReply) -> ListingVerdict
    /// Reads a record as an item of the list, with the request that it echoes; nil where it has no id.
    func task(in item: JSONValue) -> ListedTask?
}

/// Ends tasks at the provider.
package protocol CancellableDialect: Sendable {
    /// Ends a task; nil where the provider does not take it in the state that the task's latest record tells.
    func cancellation(of id: RemoteTaskID, record: JSONValue?) throws(RequestProblem) -> UpstreamRequest?
    /// Reads why a reply is no consent, and whether that is about the whole account; nil where it is consent.
    func problem(in reply: UpstreamReply) -> (failure: TaskFailure, suspendsProvider: Bool)?
}

/// Fetches results that do not stand in the record.
package protocol ResultFetchingDialect: Sendable {
    /// Asks for the result of a task whose record says that it is done.
    func request(of id: RemoteTaskID, record: JSONValue) throws(RequestProblem) -> UpstreamRequest
    /// Reads the reply that should hold the result. Any other reply leaves the task running.
    func read(_ reply: UpstreamReply, of id: RemoteTaskID, after done: Observation) -> LookupVerdict
}

/// Where a query goes. Two endpoints of a provider can share one if their routes are equal.
package struct QueryRoute: Sendable, Hashable {
    /// What makes the difference.
    enum Target: Sendable, Hashable {
        case path(String)
        case lookup(DeclaredDialect.Call?)
        case batch(DeclaredDialect.Batch)
        case list(DeclaredDialect.List)
    }

    let target: Target
}

/// Where the provider's own list of tasks is known from, and so how far it may be trusted.
package enum ListingTrust: String, Sendable, Hashable, CaseIterable {
    /// There is none.
    case none
    /// Seen in the vendor's own clients only. A proof of absence needs the same as with a documented list.
    case vendorCode = "vendor_code"
    /// Promised by the provider's documentation.
    case documented
}

/// Why a request cannot be made; nothing was sent.
package struct RequestProblem: Error, Sendable, Hashable {
    /// The member of the request, or what else it is about.
    package let field: String
    /// What is wrong with it.
    package let problem: String

    init(_ field: String, _ problem: String) {
        self.field = field
        self.problem = problem
    }
}

extension ProviderDialect {
    /// Names the results of a record that itself names the task, if they need its id.
    package func results(in record: JSONValue) -> [TaskResult] { results(in: record, of: nil) }

    /// Asks for one task by its id.
    package func lookup(_ id: RemoteTaskID) throws(RequestProblem) -> UpstreamRequest { try lookup(id, pollURL: nil) }

    /// Why a request could never be sent; nil where it could.
    package func problem(with request: JSONObject) -> RequestProblem? {
        do throws(RequestProblem) {
            _ = try submission(of: request, callbackURL: nil, ownID: nil)
            return nil
        } catch {
            return error
        }
    }

    /// The id under which the provider was given a task: the program's own, else ours; nil where it takes none.
    package func ownID(in request: JSONObject, otherwise ours: String) -> RemoteTaskID? {
        guard let ownIDMember else { return nil }
        return switch request[ownIDMember] {
        case .string(let own): RemoteTaskID(own)
        case .number(let own): RemoteTaskID(own.digits)
        case nil, .null: RemoteTaskID(ours)
        case .bool, .array, .object: nil
        }
    }

    /// Whether the program wants to be called itself. Its URL passes unchanged, and none of ours is sent.
    package func hasOwnCallback(in request: JSONObject) -> Bool { callbackMember.map(request.decides) ?? false }
}

extension JSONObject {
    /// Whether there is such a member; one that is null decides nothing.
    func decides(_ name: String) -> Bool { self[name].map { !$0.isNull } ?? false }
}
