package import TaskModel
package import VerbatimJSON

/// Builds the requests of one endpoint and reads the replies. It sends nothing.
///
/// An ability that only some endpoints have is a further protocol. The dialect returns it if its endpoint has it.
package protocol ProviderDialect: Sendable {
    /// Builds the paid request.
    ///
    /// The program's members pass unchanged and in order. `ownID` is sent if the endpoint takes a client id and the
    /// program gave none.
    func submission(
        of request: JSONObject, callbackURL: String?, ownID: String?
    ) throws(RequestProblem) -> UpstreamRequest
    /// Reads what the reply to a paid request proves.
    ///
    /// If nothing is proven, the verdict is `unknown`. The request must not be sent again then, because it may be
    /// billed.
    func readSubmission(_ reply: UpstreamReply) -> SubmitVerdict
    /// The part of a program's request that is sent in the body. Only this part can be echoed.
    func body(of request: JSONObject) -> JSONObject

    /// Polls one task. `pollURL` is the address that the provider named, if any.
    func lookup(_ id: RemoteTaskID, pollURL: String?) throws(RequestProblem) -> UpstreamRequest
    /// Reads what the reply to a look-up of one task proves. A failed query says nothing about the task.
    func readLookup(_ reply: UpstreamReply, of id: RemoteTaskID) -> LookupVerdict
    /// The minimum delay before the next poll that a successful reply asks for; nil if it asks for none.
    func minimumPollDelay(from reply: UpstreamReply) -> Duration?
    /// Reads one task's record; nil if it says that the task does not exist.
    ///
    /// `httpStatus` goes into the failure, if there is one. `id` is the provider's id, if known from elsewhere.
    func observe(_ record: JSONValue, of id: RemoteTaskID?, httpStatus: Int) -> Observation?
    /// Reads a callback, with the id in it; nil if it is not about a task.
    ///
    /// The body is a hint: it may be unsigned, repeated, early or forged.
    func readCallback(_ body: JSONValue) -> (RemoteTaskID?, Observation)?
    /// The results in a record; empty if there are none.
    func results(in record: JSONValue, of id: RemoteTaskID?) -> [TaskResult]

    /// Whether the reply to a submission is the result itself, never only an id.
    var answersOnlyInline: Bool { get }
    /// Whether a submission can carry a callback URL.
    var takesCallbacks: Bool { get }
    /// The request member that holds the callback URL; nil if the URL goes elsewhere or is not sent.
    var callbackMember: String? { get }
    /// The request member for a client id.
    ///
    /// The task can be looked up by it, also after a lost reply, and the provider refuses a second request with it.
    var ownIDMember: String? { get }
    /// Whether a task can be polled by its id alone.
    var canAskByID: Bool { get }
    /// The route of look-ups of one task.
    var lookupRoute: QueryRoute { get }

    /// The look-up of several tasks at once; nil if each task needs its own.
    var batching: (any BatchingDialect)? { get }
    /// The provider's own list of tasks with the requests that it echoes; nil if there is none. Lost submissions are
    /// searched in it.
    var listing: (any ListingDialect)? { get }
    /// The provider's own list of tasks, perhaps with ids only, which is compared with the tasks here; nil if there is
    /// none.
    var inventory: (any ListingDialect)? { get }
    /// Cancels a task at the provider; nil if that is not possible.
    var cancelling: (any CancellableDialect)? { get }
    /// Fetches results that the record does not contain; nil if the record contains them.
    var resultFetching: (any ResultFetchingDialect)? { get }

    /// The inverse, for programs that speak to the provider through the gateway.
    var gateway: any GatewayDialect { get }

    /// The same dialect for another base URL. Requests go to these hosts only.
    func moved(to hosts: HostAllowlist) -> Self
    /// The rule that decides about a record, and the id in the record, for display.
    func explanation(of record: JSONValue, httpStatus: Int) -> (rule: String, id: RemoteTaskID?)
}

/// Looks up several tasks with one query.
package protocol BatchingDialect: Sendable {
    /// The maximum number of ids in one query.
    var size: Int { get }
    /// The route of the query.
    var route: QueryRoute { get }
    /// Builds a query for several tasks; nil if there are none or an id cannot be sent.
    func lookup(_ ids: [RemoteTaskID]) -> UpstreamRequest?
    /// Reads what the reply says about each task.
    ///
    /// Records are matched by id, never by position. Replies change the order, omit unknown ids and repeat ids.
    func read(_ reply: UpstreamReply, of ids: [RemoteTaskID]) -> BatchVerdict
}

/// Reads the provider's own list of tasks.
package protocol ListingDialect: Sendable {
    /// The source from which the list is known.
    var trust: ListingTrust { get }
    /// Whether the list is one page that, by its definition, shows everything.
    var isWhole: Bool { get }
    /// Whether the newest tasks come first, so that the list is read only until it is older than the window.
    var isNewestFirst: Bool { get }
    /// The route of the query.
    var route: QueryRoute { get }
    /// Builds a query for one page of the tasks created within a window, which is widened to whole seconds.
    func page(from: Timestamp, to: Timestamp, at place: ListPlace, limit: Int) -> UpstreamRequest?
    /// Reads one page, and keeps the figures at these places of each record. The page's total counts are not used,
    /// because their meaning differs.
    func read(_ reply: UpstreamReply, figures: Set<JSONPointer>) -> ListingVerdict
    /// Reads a record as an item of the list, with the request that it echoes; nil if it has no id.
    func task(in item: JSONValue) -> ListedTask?
}

/// Where a page of a list begins.
package struct ListPlace: Sendable, Hashable {
    /// The number of items before it.
    package var offset: Int
    /// The last item of the page before it; nil for the first page.
    package var last: RemoteTaskID?
    /// The address of the page, which the page before it gave.
    package var address: String?

    package init(offset: Int = 0, last: RemoteTaskID? = nil, address: String? = nil) {
        self.offset = offset
        self.last = last
        self.address = address
    }
}

/// What a page says about the rest of its list.
package enum ListRest: Sendable, Hashable {
    /// Nothing. Only the pages themselves show where the list ends.
    case unstated
    /// It is the last page.
    case none
    /// More items follow its last one.
    case afterLast
    /// More items are at this address.
    case at(String)
}

/// Cancels tasks at the provider.
package protocol CancellableDialect: Sendable {
    /// Builds a cancellation; nil if the provider does not accept it in the state of the task's latest record.
    func cancellation(of id: RemoteTaskID, record: JSONValue?) throws(RequestProblem) -> UpstreamRequest?
    /// Why a reply is not a consent, and whether that concerns the whole account; nil for a consent.
    func problem(in reply: UpstreamReply) -> (failure: TaskFailure, suspendsProvider: Bool)?
}

/// Fetches results that are not in the record.
package protocol ResultFetchingDialect: Sendable {
    /// Builds a request for the result of a task whose record says that it is done.
    func request(of id: RemoteTaskID, record: JSONValue) throws(RequestProblem) -> UpstreamRequest
    /// Reads the reply with the result. Any other reply leaves the task running.
    func read(_ reply: UpstreamReply, of id: RemoteTaskID, after done: Observation) -> LookupVerdict
}

/// The route of a query. Two endpoints of a provider can share a query if their routes are equal.
package struct QueryRoute: Sendable, Hashable {
    /// The part that distinguishes routes.
    enum Target: Sendable, Hashable {
        case path(String)
        case lookup(DeclaredDialect.Call?)
        case batch(DeclaredDialect.Batch)
        case list(DeclaredDialect.List)
    }

    let target: Target
}

/// The source from which the provider's list of tasks is known. It determines how far the list is trusted.
package enum ListingTrust: String, Sendable, Hashable, CaseIterable {
    /// There is no list.
    case none
    /// Known from the vendor's own clients only. A proof of absence has the same conditions as with a documented list.
    case vendorCode = "vendor_code"
    /// Promised by the provider's documentation.
    case documented
}

/// Why a request cannot be made; nothing was sent.
package struct RequestProblem: Error, Sendable, Hashable {
    /// The member of the request, or another subject.
    package let field: String
    /// The problem with it.
    package let problem: String

    init(_ field: String, _ problem: String) {
        self.field = field
        self.problem = problem
    }
}

extension ListingDialect {
    package var isNewestFirst: Bool { false }

    package func read(_ reply: UpstreamReply) -> ListingVerdict { read(reply, figures: []) }

    /// Builds a query for the page behind that many items.
    package func page(from: Timestamp, to: Timestamp, offset: Int, limit: Int) -> UpstreamRequest? {
        page(from: from, to: to, at: ListPlace(offset: offset), limit: limit)
    }
}

extension ProviderDialect {
    package var inventory: (any ListingDialect)? { listing }

    /// The results of a record that contains the task's id, if they need one.
    package func results(in record: JSONValue) -> [TaskResult] { results(in: record, of: nil) }

    /// Polls one task by its id.
    package func lookup(_ id: RemoteTaskID) throws(RequestProblem) -> UpstreamRequest { try lookup(id, pollURL: nil) }

    /// Why a request could never be sent; nil if it could.
    package func problem(with request: JSONObject) -> RequestProblem? {
        do throws(RequestProblem) {
            _ = try submission(of: request, callbackURL: nil, ownID: nil)
            return nil
        } catch {
            return error
        }
    }

    /// The client id of a task at the provider: the program's own, else ours; nil if the endpoint takes none.
    package func ownID(in request: JSONObject, otherwise ours: String) -> RemoteTaskID? {
        guard let ownIDMember else { return nil }
        return switch request[ownIDMember] {
        case .string(let own): RemoteTaskID(own)
        case .number(let own): RemoteTaskID(own.digits)
        case nil, .null: RemoteTaskID(ours)
        case .bool, .array, .object: nil
        }
    }

    /// Whether the request has the program's callback URL. It passes unchanged, and Pollux adds none.
    package func hasOwnCallback(in request: JSONObject) -> Bool { callbackMember.map(request.decides) ?? false }
}

extension JSONObject {
    /// Whether the member is present and not null.
    func decides(_ name: String) -> Bool { self[name].map { !$0.isNull } ?? false }
}
