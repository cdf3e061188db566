import TaskModel
import VerbatimJSON

/// The dialect of an entry under `endpoints` of a definition. The definition has its pointers, words and calls.
struct DeclaredDialect: ReplyReader {
    var rules: ResponseRules
    /// The hosts to which requests may go.
    var hosts: HostAllowlist
    var kind: EndpointKind
    /// The paid request. Its body is the program's unless the call has one.
    var submit: Call
    /// Members added to the body if the program gave none, such as the asynchronous flag.
    var defaults = JSONObject()
    var callback: Callback?
    var acceptance: Acceptance
    /// Polls one task; nil if only an address from the reply can be polled.
    var poll: Call?
    /// Where the reply to a poll gives the minimum wait before the next one.
    var wait: WaitPlace?
    /// The pointers to the requested id in a record.
    var recordID: [JSONPointer] = []
    var batch: Batch?
    var list: List?
    /// The rules for the state. The first that applies decides.
    var states: [StateRule]
    /// The pointers to the results in the final record.
    var results: [JSONPointer] = []
    /// The request member for a client id.
    var ownIDMember: String?
    var progress: ProgressPlace?
    var times = Times()
    var traceID: [JSONPointer] = []
    var result: ResultFetch?
    var cancel: Cancellation?
    /// The pointers to errors, in records and in refusals.
    var errorCode: [JSONPointer] = []
    var errorMessage: [JSONPointer] = []
    /// What the gateway answers in the provider's form.
    var forms = GatewayForms()

    /// One request with placeholders.
    struct Call: Sendable, Hashable {
        var method: String
        var path: Template?
        var query: [Named] = []
        var headers: [Named] = []
        var body: JSONValue?

        struct Named: Sendable, Hashable {
            let name: String
            let template: Template
        }
    }

    /// How a callback URL is sent, and how a callback is read if it is not a record.
    struct Callback: Sendable, Hashable {
        var place: Place
        /// The pointers to the task id in a callback; if empty, those of records.
        var id: [JSONPointer] = []
        /// The first rule that applies decides. If empty, those of records.
        var states: [StateRule] = []
        /// The pointers to the results in a callback. Those of records apply if nothing is found.
        var results: [JSONPointer] = []

        enum Place: Sendable, Hashable {
            case member(String)
            case query(String)
        }
    }

    /// The conditions for a reply to a paid request to count as accepted.
    struct Acceptance: Sendable, Hashable {
        var id: [JSONPointer]
        var pollURL: [JSONPointer] = []
        /// The header field that holds the id, or an address that ends in it; in lower case.
        var idHeader: String?
        /// The header field that holds the poll address; in lower case.
        var pollURLHeader: String?
        /// Whether the reply contains the poll address.
        var namesPollURL: Bool { !pollURL.isEmpty || pollURLHeader != nil }
        /// The condition that a reply must meet to count as accepted; nil if every 2xx with an id does.
        var condition: Condition?

        struct Condition: Sendable, Hashable {
            var at: JSONPointer
            var words: Set<String>
        }
    }

    /// A query for several tasks.
    struct Batch: Sendable, Hashable {
        var call: Call
        var size: Int
        var items: JSONPointer
        var id: [JSONPointer]
    }

    /// A query for the tasks of a time window, or for all, newest first.
    struct List: Sendable, Hashable {
        enum TimeForm: String, Sendable, CaseIterable { case seconds, milliseconds, rfc3339 }

        var call: Call
        var trust: ListingTrust
        var time: TimeForm
        var items: JSONPointer
        var id: [JSONPointer]
        var createdAt: [JSONPointer]
        /// The echo of the request; empty if items show ids only.
        var request: [JSONPointer]
        /// Whether one page shows every task of the window, so no further page is requested.
        var isWhole = false
        /// The address of the next page, in a page.
        var next: JSONPointer?
        /// Whether more items follow, in a page.
        var more: JSONPointer?
        var isNewestFirst = false
        /// Whether a page begins after the last item of the one before.
        var isAfterLast: Bool { call.names.contains("after") || call.body?.text.contains("\"{after}\"") ?? false }
    }

    struct ProgressPlace: Sendable, Hashable {
        var at: [JSONPointer]
        var scale: ProgressScale
    }

    struct Times: Sendable, Hashable {
        var createdAt: [JSONPointer] = []
        var startedAt: [JSONPointer] = []
        var finishedAt: [JSONPointer] = []
    }

    /// Where to fetch the result if it is not in the record.
    struct ResultFetch: Sendable, Hashable {
        /// The pointers to its address in the record.
        var url: [JSONPointer] = []
        /// The call that fetches it, if the record has no address.
        var call: Call?
        /// Statuses that mean that the task failed.
        var failedStatuses: Set<Int> = []
        /// Whether it is a file. Then only its address is a result.
        var isFile = false
    }

    struct Cancellation: Sendable, Hashable {
        var call: Call
        /// The states in which the provider accepts a cancellation; nil for all states.
        var states: States?

        struct States: Sendable, Hashable {
            var at: [JSONPointer]
            var words: Set<String>
        }
    }
}

extension DeclaredDialect {
    var answersOnlyInline: Bool { false }
    var takesCallbacks: Bool { callback != nil }
    var callbackMember: String? {
        if case .member(let name) = callback?.place { name } else { nil }
    }
    var canAskByID: Bool { poll?.path != nil }
    var lookupRoute: QueryRoute { QueryRoute(target: .lookup(poll)) }
    var batching: (any BatchingDialect)? { batch.map { DeclaredBatching(dialect: self, batch: $0) } }
    /// A list of ids cannot be searched.
    var listing: (any ListingDialect)? { list?.request.isEmpty ?? true ? nil : inventory }
    var inventory: (any ListingDialect)? { list.map { DeclaredListing(dialect: self, list: $0) } }
    var cancelling: (any CancellableDialect)? { cancel.map { DeclaredCancellation(dialect: self, cancel: $0) } }
    var resultFetching: (any ResultFetchingDialect)? {
        result.flatMap { $0.isFile ? nil : DeclaredResultFetch(dialect: self, result: $0) }
    }

    func moved(to hosts: HostAllowlist) -> DeclaredDialect {
        var moved = self
        moved.hosts = hosts
        return moved
    }
}

struct DeclaredBatching: BatchReader {
    let dialect: DeclaredDialect
    let batch: DeclaredDialect.Batch
    var size: Int { batch.size }
    var route: QueryRoute { QueryRoute(target: .batch(batch)) }
}

struct DeclaredListing: ListReader {
    let dialect: DeclaredDialect
    let list: DeclaredDialect.List
    var trust: ListingTrust { list.trust }
    var isWhole: Bool { list.isWhole }
    var isNewestFirst: Bool { list.isNewestFirst }
    var route: QueryRoute { QueryRoute(target: .list(list)) }
}

struct DeclaredCancellation: CancellableDialect {
    let dialect: DeclaredDialect
    let cancel: DeclaredDialect.Cancellation
}

struct DeclaredResultFetch: ResultFetchingDialect {
    let dialect: DeclaredDialect
    let result: DeclaredDialect.ResultFetch
}
