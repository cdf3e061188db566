package import TaskModel
package import VerbatimJSON

/// What is known about one endpoint of a provider, as data.
///
/// The rules that use it stand in extensions: requests under `Requests/`, answers under `Reading/`.
package struct EndpointProfile: Sendable, Hashable {
    /// Where the provider's own list of tasks comes from, and so how far it may be trusted.
    package enum Listing: String, Sendable, Hashable, CaseIterable {
        /// There is none.
        case none
        /// Seen in the vendor's own clients only. A proof of absence needs the same as with a documented list.
        case vendorCode = "vendor_code"
        /// Promised by the provider's documentation.
        case documented
    }

    package let name: EndpointName
    /// The provider's name, as in ``ProviderProfile/name``.
    package let provider: String
    /// Where a task is submitted, below the base URL.
    package var submitPath: String
    /// Where tasks are looked up, below the base URL.
    package var tasksPath: String
    /// Names under which a look-up gives the id. Several where the documents disagree: the provider ignores the others.
    package var lookupKeys: [String]
    /// How many ids one look-up may name; nil where each task needs its own.
    package var batchSize: Int?
    package var listing: Listing
    /// The provider's word for the operation in its records (`imagine`, `videos`), where it is known.
    package var recordType: String?
    /// The member of a request that takes an id of the caller's own, under which the task is then looked up and which is
    /// refused a second time; nil where there is none. A lost reply is found again by it.
    package var ownIDMember: String?
    /// Whether the endpoint answers at once with an id without being asked to.
    package var isAlwaysAsynchronous: Bool
    /// How long to wait for the reply to a submission; nil for the usual time. Under `services` only endpoints that
    /// answer inline have one.
    package var submissionTimeout: Duration?
    /// How long a task usually takes by the provider's documents: an ETA until there is a history of our own.
    package var typicalDuration: Duration?
    /// What about nine of ten tasks stay below, by the same documents.
    package var upperDuration: Duration?
    /// How far apart two polls of one task must be at the least, where the provider says so.
    package var minGap: Duration?
    /// Shared by all endpoints of the service.
    package var limits: ServiceLimits
    /// What this provider and endpoint mean by their words, codes and members.
    package var reading: ReadingRules
    /// Where a tasks reply holds the results.
    package var artefacts: [JSONPointer]
    /// How long the provider keeps the results, where it says.
    package var artefactLifetime: Duration?
    /// What the endpoint does, for people.
    package var summary: String?
    /// How it speaks, where that is told step by step; nil for the shape that the services share.
    package var wire: Wire?
    /// Where requests of its provider may go.
    package var hosts = AllowedHosts(baseURL: "")

    /// Describes an endpoint of the general shape, which most of the documented services have.
    package init(_ name: EndpointName, provider: String, reading: ReadingRules = ReadingRules()) {
        self.name = name
        self.provider = provider
        submitPath = "/\(name.text)"
        tasksPath = "/\(name.service)/tasks"
        lookupKeys = ["id", "task_id"]
        batchSize = nil
        listing = .none
        isAlwaysAsynchronous = false
        limits = ServiceLimits()
        self.reading = reading
        artefacts = []
    }

    /// Whether one look-up can name several tasks.
    package var supportsBatch: Bool { batchSize != nil }

    /// Whether the provider's own list of tasks can be read.
    package var supportsListing: Bool { listing != .none }

    /// Whether a lost submission can only be found again by a person, since the provider shows no list of tasks.
    package var needsPersonWhenUncertain: Bool { !supportsListing && ownIDMember == nil }

    /// Whether the result has to be fetched once the task is done.
    package var fetchesResult: Bool { wire?.result.map { !$0.isFile } ?? false }

    /// Whether one query may ask about tasks of both.
    package func sharesBatch(with other: EndpointProfile) -> Bool {
        provider == other.provider && wire?.batch == other.wire?.batch && tasksPath == other.tasksPath
    }

    /// Whether lost tasks of both are looked for in the same places: in one list, and under ids of our own or not.
    package func sharesLookup(with other: EndpointProfile) -> Bool {
        sharesList(with: other) && ownIDMember == other.ownIDMember && wire?.poll == other.wire?.poll
    }

    /// Whether one list of the provider's shows tasks of both, so that a record may be either's.
    package func sharesList(with other: EndpointProfile) -> Bool {
        provider == other.provider && wire?.list == other.wire?.list && tasksPath == other.tasksPath
            && listing == other.listing
    }

    /// Whether the reply to a submission is the result itself, never just an id.
    package var answersOnlyInline: Bool { submissionTimeout != nil && wire == nil }
}
