package import TaskModel
package import VerbatimJSON

/// What is known about one endpoint of a provider: its name, its limits, its documented facts, and its dialect.
package struct EndpointProfile: Sendable {
    package let name: EndpointName
    /// The provider's name, as in ``ProviderProfile/name``.
    package let provider: ProviderName
    /// The provider's base URL, as in ``ProviderProfile/baseURL``.
    package internal(set) var baseURL = ""
    /// What the endpoint makes.
    package let kind: EndpointKind
    /// Builds the endpoint's requests and reads its replies.
    package var dialect: any ProviderDialect { shared.dialect }
    /// The look-up of several tasks at once; nil if each task needs its own.
    package var batching: (any BatchingDialect)? { shared.batching }
    /// The provider's own list of tasks in which lost ones are searched; nil if there is none.
    package var listing: (any ListingDialect)? { shared.listing }
    /// The provider's own list of tasks, perhaps with ids only; nil if there is none.
    package var inventory: (any ListingDialect)? { shared.inventory }
    /// Fetches results that the record does not contain; nil if the record contains them.
    package var resultFetching: (any ResultFetchingDialect)? { shared.resultFetching }
    /// The maximum number of ids in one look-up; nil if each task needs its own.
    package var batchSize: Int? { shared.batching?.size }
    /// The provider's word for the operation in its records (`imagine`, `videos`), if known.
    package var recordType: String?
    /// How long to wait for the reply to a submission; nil for the usual time.
    package var submissionTimeout: Duration?
    /// The documented usual duration of a task. It serves as ETA until Pollux has its own samples.
    package var typicalDuration: Duration?
    /// The documented duration that about nine of ten tasks stay below.
    package var upperDuration: Duration?
    /// The minimum gap between two polls of one task, if the provider states one.
    package var minGap: Duration?
    /// How long results can be fetched after the end of their task; nil if that is not known.
    package var artefactLifetime: Duration?
    /// Whether fetching a file takes the provider's token.
    package var filesNeedToken = false
    /// The limits that all endpoints of the service share.
    package var limits = ServiceLimits()
    /// What a task costs; nil if that is not known, which is not the same as nothing.
    package var price: Price?
    /// The file that has the price if it is not the definition.
    package var priceFile: String?
    /// A description of the endpoint for people.
    package var summary: String?
    private let shared: SharedParts

    /// The parts that all copies of the profile share, since each step of a task copies it.
    private final class SharedParts: Sendable {
        let dialect: any ProviderDialect
        let batching: (any BatchingDialect)?
        let listing: (any ListingDialect)?
        let inventory: (any ListingDialect)?
        let resultFetching: (any ResultFetchingDialect)?
        /// The routes of queries that several endpoints can share.
        let routes: (lookup: QueryRoute, batch: QueryRoute?, list: QueryRoute?, inventory: QueryRoute?)

        init(_ dialect: any ProviderDialect) {
            self.dialect = dialect
            batching = dialect.batching
            listing = dialect.listing
            inventory = dialect.inventory
            resultFetching = dialect.resultFetching
            routes = (dialect.lookupRoute, batching?.route, listing?.route, inventory?.route)
        }
    }

    init(_ name: EndpointName, provider: ProviderName, kind: EndpointKind, dialect: any ProviderDialect) {
        self.name = name
        self.provider = provider
        self.kind = kind
        shared = SharedParts(dialect)
    }

    /// Creates the profile of an endpoint that no definition describes, with the general shape.
    package init(undefined name: EndpointName) {
        self.init(
            name, provider: .undefined, kind: .text,
            dialect: InferredDialect(ResponseRules(endpoint: name, provider: .undefined)))
    }

    /// The same endpoint with another base URL of its provider.
    func moved(to baseURL: String) -> EndpointProfile {
        var moved = EndpointProfile(
            name, provider: provider, kind: kind, dialect: dialect.moved(to: HostAllowlist(baseURL: baseURL)))
        moved.baseURL = baseURL
        moved.recordType = recordType
        moved.submissionTimeout = submissionTimeout
        moved.typicalDuration = typicalDuration
        moved.upperDuration = upperDuration
        moved.minGap = minGap
        moved.artefactLifetime = artefactLifetime
        moved.filesNeedToken = filesNeedToken
        moved.limits = limits
        (moved.price, moved.priceFile) = (price, priceFile)
        moved.summary = summary
        return moved
    }

    /// What an attempt with that request is expected to cost.
    package func charge(for request: JSONValue) -> Charge {
        Charge(provider: provider, price: price, request: request)
    }

    /// The source from which the provider's list of tasks is known.
    package var listingTrust: ListingTrust { listing?.trust ?? .none }

    /// Whether only a person can find a lost submission, because the provider has no list of tasks.
    package var needsPersonWhenUncertain: Bool { listing == nil && dialect.ownIDMember == nil }

    /// Whether one query may ask about tasks of both.
    package func sharesBatch(with other: EndpointProfile) -> Bool {
        provider == other.provider && shared.routes.batch != nil && shared.routes.batch == other.shared.routes.batch
    }

    /// Whether lost tasks of both are looked up in the same way: in one list, and both by client id or neither.
    package func sharesLookup(with other: EndpointProfile) -> Bool {
        sharesList(with: other) && dialect.ownIDMember == other.dialect.ownIDMember
            && shared.routes.lookup == other.shared.routes.lookup
    }

    /// Whether one list of the provider, perhaps with ids only, shows tasks of both.
    package func sharesInventory(with other: EndpointProfile) -> Bool {
        provider == other.provider && shared.routes.inventory != nil
            && shared.routes.inventory == other.shared.routes.inventory
    }

    /// Whether tasks of both are polled in the same way.
    package func sharesPolls(with other: EndpointProfile) -> Bool {
        provider == other.provider && shared.routes.lookup == other.shared.routes.lookup
    }

    /// Whether one list of the provider shows tasks of both, so a record may belong to either. Two endpoints without a
    /// list count as sharing one.
    package func sharesList(with other: EndpointProfile) -> Bool {
        provider == other.provider && shared.routes.list == other.shared.routes.list
            && listingTrust == other.listingTrust
    }
}
