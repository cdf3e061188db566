package import TaskModel

/// What is known about one endpoint of a provider: its name, its limits, what documents say of it, and its dialect.
package struct EndpointProfile: Sendable {
    package let name: EndpointName
    /// The provider's name, as in ``ProviderProfile/name``.
    package let provider: ProviderName
    /// Where the provider's paths begin, as in ``ProviderProfile/baseURL``.
    package internal(set) var baseURL = ""
    /// What the endpoint makes.
    package let kind: EndpointKind
    /// How it speaks.
    package let dialect: any ProviderDialect
    /// The look-up of several tasks at once; nil where each task needs its own.
    package let batching: (any BatchingDialect)?
    /// The provider's own list of tasks; nil where there is none that can be read.
    package let listing: (any ListingDialect)?
    /// Fetches results that the record does not contain; nil if the record contains them.
    package let resultFetching: (any ResultFetchingDialect)?
    /// How many ids one look-up may name; nil where each task needs its own.
    package let batchSize: Int?
    /// The provider's word for the operation in its records (`imagine`, `videos`), where it is known.
    package var recordType: String?
    /// How long to wait for the reply to a submission; nil for the usual time.
    package var submissionTimeout: Duration?
    /// How long a task usually takes by the provider's documents: an ETA until there is a history of our own.
    package var typicalDuration: Duration?
    /// What about nine of ten tasks stay below, by the same documents.
    package var upperDuration: Duration?
    /// How far apart two polls of one task must be at the least, where the provider says so.
    package var minGap: Duration?
    /// Shared by all endpoints of the service.
    package var limits = ServiceLimits()
    /// What the endpoint does, for people.
    package var summary: String?
    /// Where queries go that several endpoints can share.
    private let routes: (lookup: QueryRoute, batch: QueryRoute?, list: QueryRoute?)

    init(_ name: EndpointName, provider: ProviderName, kind: EndpointKind, dialect: any ProviderDialect) {
        self.name = name
        self.provider = provider
        self.kind = kind
        self.dialect = dialect
        batching = dialect.batching
        listing = dialect.listing
        resultFetching = dialect.resultFetching
        batchSize = batching?.size
        routes = (dialect.lookupRoute, batching?.route, listing?.route)
    }

    /// Describes an endpoint of the general shape, about which no definition says anything.
    package init(undefined name: EndpointName) {
        self.init(
            name, provider: .undefined, kind: .text,
            dialect: InferredDialect(ResponseRules(endpoint: name, provider: .undefined)))
    }

    /// The same endpoint of a provider at another place.
    func moved(to baseURL: String) -> EndpointProfile {
        var moved = EndpointProfile(
            name, provider: provider, kind: kind, dialect: dialect.moved(to: HostAllowlist(baseURL: baseURL)))
        moved.baseURL = baseURL
        moved.recordType = recordType
        moved.submissionTimeout = submissionTimeout
        moved.typicalDuration = typicalDuration
        moved.upperDuration = upperDuration
        moved.minGap = minGap
        moved.limits = limits
        moved.summary = summary
        return moved
    }

    /// Where the provider's own list of tasks is known from.
    package var listingTrust: ListingTrust { listing?.trust ?? .none }

    /// Whether a lost submission can only be found again by a person, since the provider shows no list of tasks.
    package var needsPersonWhenUncertain: Bool { listing == nil && dialect.ownIDMember == nil }

    /// Whether one query may ask about tasks of both.
    package func sharesBatch(with other: EndpointProfile) -> Bool {
        provider == other.provider && routes.batch != nil && routes.batch == other.routes.batch
    }

    /// Whether lost tasks of both are looked for in the same places: in one list, and under ids of our own or not.
    package func sharesLookup(with other: EndpointProfile) -> Bool {
        sharesList(with: other) && dialect.ownIDMember == other.dialect.ownIDMember
            && routes.lookup == other.routes.lookup
    }

    /// Whether one list of the provider's shows tasks of both, so that a record may be of either. Two endpoints without a
    /// list count as sharing that.
    package func sharesList(with other: EndpointProfile) -> Bool {
        provider == other.provider && routes.list == other.routes.list && listingTrust == other.listingTrust
    }
}
