import TaskModel

/// One definition file: a provider with its endpoints.
struct ProviderDefinition {
    let provider: ProviderProfile
    let endpoints: [(profile: EndpointProfile, line: Int?)]

    /// Decodes and checks a file; unknown fields are refused, since they are mistakes more often than not.
    init(file: String, yaml: String) throws(CatalogError) {
        let fields = try DefinitionFields(file: file, yaml: yaml, allowed: Self.topFields)
        provider = try Self.provider(fields)
        var rules = ReadingRules()
        rules.codes = try Self.codes(fields)
        rules.wait = try fields.fields("error", allowed: WireDefinition.errorFields)?.waitPlace("wait")
        if let words = try fields.fields("words", allowed: ["succeeded", "failed"]) {
            rules.words = try Self.words(words, rules.words)
        }
        var endpoints: [(profile: EndpointProfile, line: Int?)] = []
        if let own = try fields.fields("endpoints", allowed: nil) {
            guard !own.names.isEmpty else { throw fields.error("endpoints", "there is none") }
            endpoints += try WireDefinition.endpoints(own, of: fields, provider: provider, rules: rules)
        } else if !fields.has("services") {
            throw fields.error("services", "this field is missing; endpoints would do as well")
        }
        let services = try fields.fields("services", allowed: nil)
        for (service, _) in services?.names ?? [] {
            guard let fields = try services?.fields(service, allowed: Self.serviceFields) else { continue }
            endpoints += try Self.endpoints(of: service, fields, provider: provider, rules: rules)
        }
        let hosts = AllowedHosts(baseURL: provider.baseURL, others: provider.allowedHosts)
        self.endpoints = endpoints.map { endpoint in
            var endpoint = endpoint
            endpoint.profile.hosts = hosts
            return endpoint
        }
    }

    private static let topFields = [
        "provider", "default", "base_url", "allowed_hosts", "auth", "token", "headers", "max_requests_per_second",
        "error", "callback_signature",
        "codes", "statuses", "words", "hints", "services", "endpoints",
    ]

    private static func provider(_ fields: DefinitionFields) throws(CatalogError) -> ProviderProfile {
        let baseURL = try fields.required("base_url", fields.text)
        guard AllowedHosts.parts(of: baseURL) != nil, !baseURL.hasSuffix("/"),
            !baseURL.contains(where: { "?#@".contains($0) })
        else { throw fields.error("base_url", "expected a URL that begins with https:// and ends without a slash") }
        let name = try fields.required("provider", fields.text)
        guard name.utf8.count <= 32, name.first?.isLetter == true,
            name.utf8.allSatisfy({ byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: "-")
            })
        else { throw fields.error("provider", "expected up to 32 small letters, digits and hyphens, a letter first") }
        var provider = ProviderProfile(
            name: name, baseURL: baseURL,
            maxRequestsPerSecond: try fields.required("max_requests_per_second", fields.rate))
        provider.isDefault = try fields.flag("default") ?? false
        provider.headers = try fields.fixedTexts("headers") ?? [:]
        provider.authentication = try authentication(fields) ?? .bearer
        provider.allowedHosts = try fields.texts("allowed_hosts") ?? []
        if let strange = provider.allowedHosts.first(where: { !AllowedHosts.isHost($0) }) {
            throw fields.error(
                "allowed_hosts", "\"\(strange)\" is no host; expected as in api.example.com or *.example.com")
        }
        if let variable = try fields.text("token") {
            guard variable.utf8.allSatisfy(isVariableByte), variable.first?.isNumber == false else {
                throw fields.error("token", "expected the name of an environment variable, never the token itself")
            }
            provider.tokenVariable = variable
        }
        provider.callbackSignature = try fields.fields("callback_signature", allowed: signatureFields).map {
            fields throws(CatalogError) in try signature(fields)
        }
        return provider
    }

    private static let signatureFields = [
        "algorithm", "secret", "secret_form", "header", "form", "over", "timestamp", "tolerance_seconds",
    ]

    private static func signature(_ fields: DefinitionFields) throws(CatalogError) -> CallbackSignature {
        let algorithm: CallbackSignature.Algorithm = try fields.required("algorithm") { name throws(CatalogError) in
            try fields.choice(name)
        }
        let variable = try fields.required("secret", fields.text)
        guard variable.utf8.allSatisfy(isVariableByte), variable.first?.isNumber == false else {
            throw fields.error("secret", "expected the name of an environment variable, never the secret itself")
        }
        let isEcho = algorithm == .echo
        for name in ["form", "over", "timestamp", "tolerance_seconds"] where isEcho && fields.has(name) {
            throw fields.error(name, "nothing is signed where the header field only repeats the secret")
        }
        let form = try fields.pattern("form", places: ["hex", "base64", "timestamp"])
        let over = try fields.pattern("over", places: nil)
        if !isEcho {
            guard let form, form.names.count(where: { $0 != "timestamp" }) == 1 else {
                throw fields.error("form", "expected exactly one of {hex} and {base64}, as in \"v1,{base64}\"")
            }
            guard let over, over.names.contains(where: { $0.hasPrefix("body") }) else {
                throw fields.error("over", "expected {body} or {body_sha256} in it, as in \"{timestamp}.{body}\"")
            }
            let isTimed = form.names.contains("timestamp") || fields.has("timestamp")
            guard isTimed || !fields.has("tolerance_seconds") && !over.names.contains("timestamp") else {
                throw fields.error("timestamp", "this field is missing; it names the header field with the time")
            }
        }
        return CallbackSignature(
            algorithm: algorithm, secretVariable: variable, secretForm: try fields.choice("secret_form") ?? .text,
            header: try fields.required("header", fields.text).lowercased(), form: form, over: over,
            timestampHeader: try fields.text("timestamp")?.lowercased(),
            tolerance: try fields.seconds("tolerance_seconds"))
    }

    private static func isVariableByte(_ byte: UInt8) -> Bool {
        let character = Character(Unicode.Scalar(byte))
        return character.isASCII && (character.isUppercase || character.isNumber || character == "_")
    }

    private static func authentication(_ fields: DefinitionFields) throws(CatalogError) -> Authentication? {
        guard
            let auth = try fields.fields(
                "auth", allowed: ["header", "prefix", "query", "jwt", "lifetime_seconds", "none"])
        else { return nil }
        guard auth.names.filter({ !["prefix", "lifetime_seconds"].contains($0.name) }).count == 1 else {
            throw auth.error("expected exactly one of header, query, jwt and none")
        }
        if let header = try auth.text("header") { return .header(name: header, prefix: try auth.text("prefix") ?? "") }
        guard !auth.has("prefix") else { throw auth.error("prefix", "only goes with header") }
        if let algorithm = try auth.text("jwt") {
            guard algorithm == "HS256" else { throw auth.error("jwt", "only HS256 is known") }
            return .signedToken(lifetime: try auth.seconds("lifetime_seconds") ?? .seconds(1_800))
        }
        guard !auth.has("lifetime_seconds") else { throw auth.error("lifetime_seconds", "only goes with jwt") }
        if let query = try auth.text("query") { return .query(name: query) }
        guard try auth.flag("none") == true else { throw auth.error("none", "expected true") }
        return Authentication.none
    }

    private static let readingFields = ["result_members", "progress_scale", "end_time_member"]
    private static let serviceFields =
        readingFields + [
            "tasks", "lookup_keys", "batch_size", "listing", "max_in_flight", "submits_per_second", "endpoints",
        ]
    private static let endpointFields =
        readingFields + [
            "submit", "own_id", "record_type", "always_asynchronous", "submission_timeout_seconds", "typical_seconds",
            "upper_seconds", "min_gap_seconds", "artefacts",
        ]

    private static func endpoints(
        of service: String, _ fields: DefinitionFields, provider: ProviderProfile, rules: ReadingRules
    ) throws(CatalogError) -> [(profile: EndpointProfile, line: Int?)] {
        let tasks = try fields.path("tasks")
        let lookupKeys = try fields.texts("lookup_keys")
        let batchSize = try fields.count("batch_size")
        let listing: EndpointProfile.Listing? = try fields.choice("listing")
        let limits = ServiceLimits(
            maxInFlight: try fields.count("max_in_flight"), submitsPerSecond: try fields.rate("submits_per_second"))
        let rules = try reading(fields, rules)

        let operations = try fields.required("endpoints") { name throws(CatalogError) in
            try fields.fields(name, allowed: nil)
        }
        var endpoints: [(profile: EndpointProfile, line: Int?)] = []
        for (operation, line) in operations.names {
            guard let name = provider.endpointName("\(service)/\(operation)") else {
                throw operations.error(operation, "\"\(service)/\(operation)\" is no endpoint name")
            }
            let own = try operations.required(operation) { name throws(CatalogError) in
                try operations.fields(name, allowed: Self.endpointFields)
            }
            var profile = EndpointProfile(name, provider: provider.name, reading: try reading(own, rules))
            profile.submitPath = "/\(service)/\(operation)"
            profile.tasksPath = "/\(service)/tasks"
            if let tasks { profile.tasksPath = tasks }
            if let lookupKeys { profile.lookupKeys = lookupKeys }
            profile.batchSize = batchSize
            if let listing { profile.listing = listing }
            profile.limits = limits
            try read(own, into: &profile)
            endpoints.append((profile, line))
        }
        return endpoints
    }

    private static func read(
        _ fields: DefinitionFields, into profile: inout EndpointProfile
    ) throws(CatalogError) {
        if let submit = try fields.path("submit") { profile.submitPath = submit }
        profile.ownIDMember = try fields.text("own_id")
        profile.recordType = try fields.text("record_type")
        profile.isAlwaysAsynchronous = try fields.flag("always_asynchronous") ?? false
        profile.submissionTimeout = try fields.seconds("submission_timeout_seconds")
        profile.typicalDuration = try fields.seconds("typical_seconds")
        profile.upperDuration = try fields.seconds("upper_seconds")
        profile.minGap = try fields.seconds("min_gap_seconds")
        profile.artefacts = try fields.pointers("artefacts") ?? []
        if let typical = profile.typicalDuration, let upper = profile.upperDuration, upper < typical {
            throw fields.error("upper_seconds", "expected no less than typical_seconds")
        }
        if profile.isAlwaysAsynchronous && profile.answersOnlyInline {
            throw fields.error(
                "submission_timeout_seconds", "an endpoint that is always asynchronous never answers inline")
        }
    }

    private static func reading(
        _ fields: DefinitionFields, _ general: ReadingRules
    ) throws(CatalogError) -> ReadingRules {
        var rules = general
        if let members = try fields.texts("result_members") { rules.resultMembers = Set(members) }
        if let scale: ReadingRules.ProgressScale = try fields.choice("progress_scale") { rules.progressScale = scale }
        if let member = try fields.text("end_time_member") { rules.endTimeMember = member }
        return rules
    }

    private static func words(
        _ fields: DefinitionFields, _ general: StateWords
    ) throws(CatalogError) -> StateWords {
        var words = general
        if let succeeded = try fields.texts("succeeded") { words.succeeded = Set(succeeded.map { $0.lowercased() }) }
        if let failed = try fields.texts("failed") { words.failed = Set(failed.map { $0.lowercased() }) }
        if let both = words.succeeded.intersection(words.failed).min() {
            throw fields.error("failed", "\"\(both)\" is listed as a success too")
        }
        return words
    }

    private static func codes(_ fields: DefinitionFields) throws(CatalogError) -> AnswerCodes {
        var codes = AnswerCodes()
        if let told = try fields.fields("codes", allowed: AnswerMeaning.allCases.map(\.rawValue)) {
            for meaning in AnswerMeaning.allCases {
                let (listed, texts) = try told.codesAndTexts(meaning.rawValue)
                for code in listed where codes.codes.updateValue(meaning, forKey: code) ?? meaning != meaning {
                    throw told.error(meaning.rawValue, "\"\(code)\" is listed under another meaning too")
                }
                for text in texts where codes.texts.updateValue(meaning, forKey: text) ?? meaning != meaning {
                    throw told.error(meaning.rawValue, "\"\(text)\" is listed under another meaning too")
                }
            }
        }
        if let told = try fields.fields("statuses", allowed: AnswerMeaning.allCases.map(\.rawValue)) {
            for meaning in AnswerMeaning.allCases {
                for status in try told.statuses(meaning.rawValue) ?? [] {
                    guard codes.statuses.updateValue(meaning, forKey: status) == nil else {
                        throw told.error(meaning.rawValue, "\(status) is listed under another meaning too")
                    }
                }
            }
        }
        if let hints = try fields.fields("hints", allowed: nil) {
            for (code, _) in hints.names { codes.hints[code.lowercased()] = try hints.text(code) }
        }
        return codes
    }
}

extension ProviderProfile {
    /// The name under which an endpoint of this provider is known.
    func endpointName(_ text: String) -> EndpointName? { EndpointName(isDefault ? text : "\(name):\(text)") }
}
