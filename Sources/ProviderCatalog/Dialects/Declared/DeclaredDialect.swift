import TaskModel
import VerbatimJSON

/// How an entry under `endpoints` of a definition speaks: by pointers, words and calls that the definition names.
struct DeclaredDialect: ReplyReader {
    var rules: ResponseRules
    /// Where requests may go.
    var hosts: HostAllowlist
    var kind: EndpointKind
    /// The paid request; its body is the program's own unless the call has one.
    var submit: Call
    /// Members added to the body where the program gave none: the asynchronous flag, mostly.
    var defaults = JSONObject()
    var callback: Callback?
    var acceptance: Acceptance
    /// Asks for one task; nil where only an address from the reply leads to it.
    var poll: Call?
    /// Where the reply to a poll says how long to wait before the next one.
    var wait: WaitPlace?
    /// Where a record repeats the id that was asked for.
    var recordID: [JSONPointer] = []
    var batch: Batch?
    var list: List?
    /// The first that applies decides.
    var states: [StateRule]
    /// Where the last record holds the results.
    var results: [JSONPointer] = []
    /// The member that takes an id of the client's.
    var ownIDMember: String?
    var progress: ProgressPlace?
    var times = Times()
    var traceID: [JSONPointer] = []
    var result: ResultFetch?
    var cancel: Cancellation?
    /// Where errors stand, in records and in refusals.
    var errorCode: [JSONPointer] = []
    var errorMessage: [JSONPointer] = []
    /// What the gateway answers in the provider's form.
    var forms = GatewayForms()

    /// One request, with places to fill in.
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

    /// Where a callback URL goes, and how a delivery is read where it is no record as a poll brings.
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
        /// The header field that holds the id, or an address that ends in it; in small letters.
        var idHeader: String?
        /// The header field that holds the address to ask at; in small letters.
        var pollURLHeader: String?
        /// Whether the reply says where to ask.
        var namesPollURL: Bool { !pollURL.isEmpty || pollURLHeader != nil }
        /// Where a word or number says whether it was taken, and which do; nil where every 2xx with an id does.
        var condition: Condition?

        struct Condition: Sendable, Hashable {
            var at: JSONPointer
            var words: Set<String>
        }
    }

    /// Asks for several tasks at once.
    struct Batch: Sendable, Hashable {
        var call: Call
        var size: Int
        var items: JSONPointer
        var id: [JSONPointer]
    }

    /// Asks for the tasks of a span of time.
    struct List: Sendable, Hashable {
        enum TimeForm: String, Sendable, CaseIterable { case seconds, milliseconds, rfc3339 }

        var call: Call
        var trust: ListingTrust
        var time: TimeForm
        var items: JSONPointer
        var id: [JSONPointer]
        var createdAt: [JSONPointer]
        var request: [JSONPointer]
        /// Whether one page shows every task of the window, so that no further page is asked for.
        var isWhole = false
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
        /// By an address that the record names …
        var url: [JSONPointer] = []
        /// … or by a call of its own.
        var call: Call?
        /// Statuses that mean that the task failed after all.
        var failedStatuses: Set<Int> = []
        /// Whether it is a file, of which only the address is a result.
        var isFile = false
    }

    struct Cancellation: Sendable, Hashable {
        var call: Call
        /// The states in which the provider accepts it; any state, where the definition names none.
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
    var listing: (any ListingDialect)? { list.map { DeclaredListing(dialect: self, list: $0) } }
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
