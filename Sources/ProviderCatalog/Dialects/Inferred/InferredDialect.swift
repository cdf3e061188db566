import TaskModel
import VerbatimJSON

/// The shape that xhuoapi's services share. A task's state is inferred from the evidence in its record.
struct InferredDialect: ReplyReader {
    var rules: ResponseRules
    /// Where a task is submitted, below the base URL.
    var submitPath: String
    /// Where tasks are looked up, below the base URL.
    var tasksPath: String
    /// Names under which a look-up gives the id. Several where the documents disagree: the provider ignores the others.
    var lookupKeys = ["id", "task_id"]
    /// How many ids one look-up may name; nil where each task needs its own.
    var batchSize: Int?
    var listingTrust = ListingTrust.none
    var ownIDMember: String?
    /// Whether the endpoint answers at once with an id without being asked to.
    var isAlwaysAsynchronous = false
    var answersOnlyInline = false
    /// Where a tasks reply holds the results.
    var resultPlaces: [JSONPointer] = []
    /// Names of members that hold a result when they are not empty; nil for the general names.
    ///
    /// Needed where replies echo inputs under names like those of results.
    var resultMembers: Set<String>?
    var progressScale = ProgressScale.percent
    /// The member with the time at which a task ended, where there is no `finished_at`.
    var endTimeMember: String?

    /// Describes an endpoint of the general shape, about which no definition says more.
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

    /// Nothing of this shape names an address, so no host needs to be allowed.
    func moved(to hosts: HostAllowlist) -> InferredDialect { self }
}

/// What a number called progress counts.
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
