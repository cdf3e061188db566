import TaskModel
import VerbatimJSON

/// The dialect that xhuoapi's services share. It infers a task's state from the evidence in its record.
struct InferredDialect: ReplyReader {
    var rules: ResponseRules
    /// The path for submissions, below the base URL.
    var submitPath: String
    /// The path for look-ups, below the base URL.
    var tasksPath: String
    /// The names under which a look-up sends the id. Documents disagree, and the provider ignores the names that it
    /// does not know.
    var lookupKeys = ["id", "task_id"]
    /// The maximum number of ids in one look-up; nil if each task needs its own.
    var batchSize: Int?
    var listingTrust = ListingTrust.none
    var ownIDMember: String?
    /// Whether the endpoint always replies at once with an id.
    var isAlwaysAsynchronous = false
    var answersOnlyInline = false
    /// The pointers to the results in the reply to a look-up.
    var resultPlaces: [JSONPointer] = []
    /// The names of members that hold a result if they are not empty; nil for the general names.
    ///
    /// Needed if replies echo inputs under names of results.
    var resultMembers: Set<String>?
    var progressScale = ProgressScale.percent
    /// The member with the end time of a task, if there is no `finished_at`.
    var endTimeMember: String?

    /// Creates the dialect of an endpoint that no definition describes further.
    init(_ rules: ResponseRules) {
        self.rules = rules
        submitPath = "/\(rules.endpoint.text)"
        tasksPath = "/\(rules.endpoint.service)/tasks"
    }

    var takesCallbacks: Bool { !answersOnlyInline }
    var callbackMember: String? { takesCallbacks ? "callback_url" : nil }
    var canAskByID: Bool { true }
    var lookupRoute: QueryRoute { QueryRoute(target: .path(tasksPath)) }
    var batching: (any BatchingDialect)? { batchSize.map { InferredBatching(dialect: self, size: $0) } }
    var listing: (any ListingDialect)? { listingTrust == .none ? nil : InferredListing(dialect: self) }
    var cancelling: (any CancellableDialect)? { nil }
    var resultFetching: (any ResultFetchingDialect)? { nil }

    /// This dialect takes no addresses from replies, so it needs no allowed hosts.
    func moved(to hosts: HostAllowlist) -> InferredDialect { self }
}

/// The scale of a progress number.
enum ProgressScale: String, Sendable, Hashable, CaseIterable {
    /// 0 to 100.
    case percent
    /// 0 to 1.
    case fraction
}

struct InferredBatching: BatchReader {
    let dialect: InferredDialect
    let size: Int
    var route: QueryRoute { dialect.lookupRoute }
}

struct InferredListing: ListReader {
    let dialect: InferredDialect
    var trust: ListingTrust { dialect.listingTrust }
    var isWhole: Bool { false }
    var route: QueryRoute { dialect.lookupRoute }
}
