import TaskModel
import VerbatimJSON

/// Reads the `services` of a definition, whose endpoints share one shape.
enum InferredDefinition {
    private static let readingFields = ["result_members", "progress_scale", "end_time_member"]
    static let serviceFields =
        readingFields + [
            "tasks", "lookup_keys", "batch_size", "listing", "max_in_flight", "submits_per_second", "endpoints",
        ]
    private static let endpointFields =
        readingFields + [
            "submit", "own_id", "record_type", "always_asynchronous", "submission_timeout_seconds", "typical_seconds",
            "upper_seconds", "min_gap_seconds", "artefacts", "price",
        ]

    static func endpoints(
        of service: String, _ fields: DefinitionFields, provider: ProviderProfile, shared: SharedRules
    ) throws(CatalogError) -> [(profile: EndpointProfile, line: Int?)] {
        let limits = ServiceLimits(
            maxInFlight: try fields.count("max_in_flight"), submitsPerSecond: try fields.rate("submits_per_second"))
        let operations = try fields.required("endpoints") { name throws(CatalogError) in
            try fields.fields(name, allowed: nil)
        }
        var endpoints: [(profile: EndpointProfile, line: Int?)] = []
        for (operation, line) in operations.names {
            guard let name = provider.endpointName("\(service)/\(operation)") else {
                throw operations.error(operation, "\"\(service)/\(operation)\" is not an endpoint name")
            }
            let own = try operations.required(operation) { name throws(CatalogError) in
                try operations.fields(name, allowed: Self.endpointFields)
            }
            var dialect = InferredDialect(shared.rules(of: name, provider: provider.name))
            dialect.submitPath = "/\(service)/\(operation)"
            dialect.tasksPath = "/\(service)/tasks"
            try readService(fields, into: &dialect)
            try readEndpoint(own, into: &dialect)
            let kind = EndpointKind(of: name, results: dialect.resultPlaces)
            var profile = EndpointProfile(name, provider: provider.name, kind: kind, dialect: dialect)
            profile.baseURL = provider.baseURL
            profile.limits = limits
            profile.recordType = try own.text("record_type")
            try own.readTimes(into: &profile)
            try own.readPrice(into: &profile)
            endpoints.append((profile, line))
        }
        return endpoints
    }

    private static func readService(
        _ fields: DefinitionFields, into dialect: inout InferredDialect
    ) throws(CatalogError) {
        if let tasks = try fields.path("tasks") { dialect.tasksPath = tasks }
        if let lookupKeys = try fields.texts("lookup_keys") { dialect.lookupKeys = lookupKeys }
        dialect.batchSize = try fields.count("batch_size")
        dialect.listingTrust = try fields.choice("listing") ?? .none
        try readBodies(fields, into: &dialect)
    }

    private static func readEndpoint(
        _ fields: DefinitionFields, into dialect: inout InferredDialect
    ) throws(CatalogError) {
        if let submit = try fields.path("submit") { dialect.submitPath = submit }
        dialect.ownIDMember = try fields.text("own_id")
        dialect.isAlwaysAsynchronous = try fields.flag("always_asynchronous") ?? false
        // Only endpoints that reply inline have their own timeout.
        dialect.answersOnlyInline = fields.has("submission_timeout_seconds")
        dialect.resultPlaces = try fields.pointers("artefacts") ?? []
        if dialect.isAlwaysAsynchronous && dialect.answersOnlyInline {
            throw fields.error(
                "submission_timeout_seconds", "an endpoint that is always asynchronous never replies inline")
        }
        try readBodies(fields, into: &dialect)
    }

    private static func readBodies(
        _ fields: DefinitionFields, into dialect: inout InferredDialect
    ) throws(CatalogError) {
        if let members = try fields.texts("result_members") { dialect.resultMembers = Set(members) }
        if let scale: ProgressScale = try fields.choice("progress_scale") { dialect.progressScale = scale }
        if let member = try fields.text("end_time_member") { dialect.endTimeMember = member }
    }
}

extension DefinitionFields {
    /// Reads what the endpoint costs.
    func readPrice(into profile: inout EndpointProfile) throws(CatalogError) {
        guard let price = try fields("price", allowed: PriceDefinition.fields) else { return }
        profile.price = try PriceDefinition.price(price)
    }

    /// Reads the durations and timeouts of an endpoint, which both kinds of definition write alike.
    func readTimes(into profile: inout EndpointProfile) throws(CatalogError) {
        profile.submissionTimeout = try seconds("submission_timeout_seconds")
        profile.typicalDuration = try seconds("typical_seconds")
        profile.upperDuration = try seconds("upper_seconds")
        profile.minGap = try seconds("min_gap_seconds")
        if let typical = profile.typicalDuration, let upper = profile.upperDuration, upper < typical {
            throw error("upper_seconds", "expected no less than typical_seconds")
        }
    }
}
