import TaskModel
import VerbatimJSON

/// The `endpoints` of a definition, each told step by step.
enum WireDefinition {
    private static let fields = [
        "summary", "submit", "accepted", "poll", "batch", "list", "state", "progress", "times", "trace_id", "results",
        "result", "cancel", "error", "max_in_flight", "submits_per_second", "submission_timeout_seconds",
        "typical_seconds", "upper_seconds", "min_gap_seconds", "artefact_lifetime_seconds",
    ]

    static func endpoints(
        _ fields: DefinitionFields, of file: DefinitionFields, provider: ProviderProfile, rules: ReadingRules
    ) throws(CatalogError) -> [(profile: EndpointProfile, line: Int?)] {
        let errors = try error(file)
        return try fields.names.map { operation, line throws(CatalogError) in
            guard let name = provider.endpointName(operation) else {
                throw fields.error(operation, "is no endpoint name; expected letters, digits and -_./ without a colon")
            }
            guard !operation.contains(":") else {
                throw fields.error(operation, "the provider's name is put in front by itself")
            }
            let own = try fields.required(operation) { name throws(CatalogError) in
                try fields.fields(name, allowed: Self.fields)
            }
            var profile = EndpointProfile(name, provider: provider.name, reading: rules)
            profile.wire = try wire(own, errors: errors, profile: &profile)
            profile.submitPath = try own.fields("submit", allowed: nil)?.text("path") ?? ""
            profile.tasksPath = ""
            try read(own, into: &profile)
            return (profile, line)
        }
    }

    private static func read(_ fields: DefinitionFields, into profile: inout EndpointProfile) throws(CatalogError) {
        profile.summary = try fields.text("summary")
        profile.limits = ServiceLimits(
            maxInFlight: try fields.count("max_in_flight"), submitsPerSecond: try fields.rate("submits_per_second"))
        profile.submissionTimeout = try fields.seconds("submission_timeout_seconds")
        profile.typicalDuration = try fields.seconds("typical_seconds")
        profile.upperDuration = try fields.seconds("upper_seconds")
        profile.minGap = try fields.seconds("min_gap_seconds")
        profile.artefacts = try fields.places("results") ?? []
        profile.artefactLifetime = try fields.span("artefact_lifetime_seconds")
        if let typical = profile.typicalDuration, let upper = profile.upperDuration, upper < typical {
            throw fields.error("upper_seconds", "expected no less than typical_seconds")
        }
        guard !profile.artefacts.isEmpty || profile.wire?.result != nil else {
            throw fields.error("results", "this field is missing; it says where the results are in the last record")
        }
    }

    // MARK: The steps

    private static func wire(
        _ fields: DefinitionFields, errors: (code: [JSONPointer], message: [JSONPointer]),
        profile: inout EndpointProfile
    ) throws(CatalogError) -> Wire {
        let submit = try fields.required("submit") { name throws(CatalogError) in
            try fields.fields(name, allowed: callFields + ["set", "callback", "own_id"])
        }
        let accepted = try fields.required("accepted") { name throws(CatalogError) in
            try fields.fields(name, allowed: ["id", "id_header", "poll_url", "poll_url_header", "at", "words"])
        }
        let states = try fields.required("state") { name throws(CatalogError) in
            try fields.list(name, allowed: ruleFields)
        }
        var wire = Wire(
            submit: try call(submit, method: "POST", places: nil), acceptance: try acceptance(accepted),
            states: try states.map(rule).knowingEachOther)
        wire.defaults = try set(submit)
        wire.callback = try callback(submit)
        profile.ownIDMember = try submit.text("own_id")
        if let error = try fields.fields("error", allowed: errorFields), error.has("wait") {
            profile.reading.wait = try error.waitPlace("wait")
        }
        try readPoll(fields, into: &wire)
        if profile.ownIDMember != nil, wire.poll?.path == nil {
            throw submit.error("own_id", "is of use only where poll has a path that asks for it")
        }
        try readBatch(fields, into: &wire, profile: &profile)
        try readList(fields, into: &wire, profile: &profile)
        wire.result = try result(fields)
        if let cancel = try fields.fields("cancel", allowed: callFields + ["while"]) {
            wire.cancel = Wire.Cancellation(call: try call(cancel, method: "DELETE", places: ["id"]))
            if let states = try cancel.fields("while", allowed: ["at", "words"]) {
                wire.cancel?.states = Wire.Cancellation.States(
                    at: try states.required("at", states.places),
                    words: Set(try states.required("words", states.texts)))
            }
        }
        if let progress = try fields.fields("progress", allowed: ["at", "scale"]) {
            wire.progress = Wire.ProgressPlace(
                at: try progress.required("at", progress.places), scale: try progress.choice("scale") ?? .percent)
        }
        if let times = try fields.fields("times", allowed: ["created_at", "started_at", "finished_at"]) {
            wire.times = Wire.Times(
                createdAt: try times.places("created_at") ?? [], startedAt: try times.places("started_at") ?? [],
                finishedAt: try times.places("finished_at") ?? [])
        }
        wire.traceID = try fields.places("trace_id") ?? []
        let own = try error(fields)
        wire.errorCode = own.code.isEmpty ? errors.code : own.code
        wire.errorMessage = own.message.isEmpty ? errors.message : own.message
        try checkStates(wire, states, fields)
        return wire
    }

    static let errorFields = ["code", "message", "wait"]
    private static let callFields = ["method", "path", "query", "headers", "body"]
    private static let ruleFields = [
        "at", "pending", "succeeded", "partial", "failed", "no_result", "present", "absent", "http_status", "means",
    ]

    private static func call(
        _ fields: DefinitionFields, method: String, places: Set<String>?, needsPath: Bool = true
    ) throws(CatalogError) -> Wire.Call {
        if places == nil, fields.has("body") {
            throw fields.error("body", "the body is the program's request; what is to be added goes into set")
        }
        let path = try fields.template("path", places: places)
        if needsPath, path == nil { _ = try fields.required("path", fields.path) }
        return Wire.Call(
            method: try fields.method("method") ?? method, path: path,
            query: try fields.templates("query", places: places) ?? [],
            headers: try fields.templates("headers", places: places) ?? [], body: try fields.json("body"))
    }

    private static func set(_ fields: DefinitionFields) throws(CatalogError) -> JSONObject {
        guard let value = try fields.json("set") else { return JSONObject() }
        guard let object = value.object else { throw fields.error("set", "expected fields with values") }
        return object
    }

    private static func callback(_ fields: DefinitionFields) throws(CatalogError) -> Wire.Callback? {
        guard let callback = try fields.fields("callback", allowed: ["member", "query", "id", "state", "results"])
        else {
            return nil
        }
        let place: Wire.Callback.Place =
            switch (try callback.text("member"), try callback.text("query")) {
            case (let member?, nil): .member(member)
            case (nil, let query?): .query(query)
            default: throw callback.error("expected exactly one of member and query")
            }
        let rules = callback.has("state") ? try callback.list("state", allowed: ruleFields) ?? [] : []
        return Wire.Callback(
            place: place, id: try callback.places("id") ?? [], states: try rules.map(rule).knowingEachOther,
            results: try callback.places("results") ?? [])
    }

    private static func acceptance(_ fields: DefinitionFields) throws(CatalogError) -> Wire.Acceptance {
        var acceptance = Wire.Acceptance(
            id: try fields.places("id") ?? [], pollURL: try fields.places("poll_url") ?? [],
            idHeader: try fields.text("id_header")?.lowercased(),
            pollURLHeader: try fields.text("poll_url_header")?.lowercased())
        if acceptance.idHeader == nil { _ = try fields.required("id", fields.places) }
        switch (try fields.place("at"), try fields.texts("words")) {
        case (let at?, let words?): acceptance.condition = Wire.Acceptance.Condition(at: at, words: Set(words))
        case (nil, nil): break
        case (_?, nil): throw fields.error("at", "needs words beside it that say what is taken")
        case (nil, _?): throw fields.error("words", "needs at beside it that says where they stand")
        }
        return acceptance
    }

    private static func readPoll(_ fields: DefinitionFields, into wire: inout Wire) throws(CatalogError) {
        if let poll = try fields.fields("poll", allowed: callFields + ["id", "wait"]) {
            wire.poll = try call(poll, method: "GET", places: ["id"], needsPath: !wire.acceptance.namesPollURL)
            wire.recordID = try poll.places("id") ?? []
            wire.wait = try poll.waitPlace("wait")
        } else if !wire.acceptance.namesPollURL {
            throw fields.error("poll", "this field is missing, and accepted.poll_url is too: nothing says where to ask")
        }
    }

    private static func readBatch(
        _ fields: DefinitionFields, into wire: inout Wire, profile: inout EndpointProfile
    ) throws(CatalogError) {
        guard let batch = try fields.fields("batch", allowed: callFields + ["size", "items", "id"]) else { return }
        profile.batchSize = try batch.required("size", batch.count)
        wire.batch = Wire.Batch(
            call: try call(batch, method: "POST", places: ["ids"]), items: try batch.place("items") ?? .whole,
            id: try batch.required("id", batch.places))
    }

    private static func readList(
        _ fields: DefinitionFields, into wire: inout Wire, profile: inout EndpointProfile
    ) throws(CatalogError) {
        let own = ["time", "items", "id", "created_at", "request", "trust", "whole"]
        guard let list = try fields.fields("list", allowed: callFields + own) else { return }
        profile.listing = try list.choice("trust") ?? .vendorCode
        guard profile.listing != .none else { throw list.error("trust", "leave list out where there is none") }
        wire.list = Wire.List(
            call: try call(list, method: "GET", places: ["from", "to", "offset", "limit"]),
            time: try list.choice("time") ?? .seconds, items: try list.place("items") ?? .whole,
            id: try list.required("id", list.places), createdAt: try list.required("created_at", list.places),
            request: try list.required("request", list.places), isWhole: try list.flag("whole") ?? false)
    }

    private static func result(_ fields: DefinitionFields) throws(CatalogError) -> Wire.ResultFetch? {
        let allowed = callFields + ["url", "failed_statuses", "is_file"]
        guard let result = try fields.fields("result", allowed: allowed) else { return nil }
        var fetch = Wire.ResultFetch(
            url: try result.places("url") ?? [], failedStatuses: Set(try result.statuses("failed_statuses") ?? []),
            isFile: try result.flag("is_file") ?? false)
        guard fetch.url.isEmpty == result.has("path") else {
            throw result.error("expected exactly one of url and path")
        }
        if result.has("path") { fetch.call = try call(result, method: "GET", places: ["id"]) }
        if fetch.failedStatuses.contains(where: { 200...299 ~= $0 || $0 == 429 }) {
            throw result.error("failed_statuses", "2xx and 429 never mean that a task failed")
        }
        return fetch
    }

    private static func error(
        _ fields: DefinitionFields
    ) throws(CatalogError) -> (code: [JSONPointer], message: [JSONPointer]) {
        guard let error = try fields.fields("error", allowed: errorFields) else { return ([], []) }
        return (try error.places("code") ?? [], try error.places("message") ?? [])
    }

    // MARK: How the state is told

    private static func rule(_ fields: DefinitionFields) throws(CatalogError) -> StateRule {
        var rule = StateRule(line: fields.beginning)
        rule.at = try fields.places("at")?.first
        rule.present = try fields.places("present") ?? []
        rule.absent = try fields.places("absent") ?? []
        rule.httpStatuses = Set(try fields.statuses("http_status") ?? [])
        rule.means = try fields.choice("means")
        for meaning in StateRule.Meaning.allCases {
            for word in try fields.texts(meaning.rawValue) ?? [] {
                guard rule.words.updateValue(meaning, forKey: word) == nil else {
                    throw fields.error(meaning.rawValue, "\"\(word)\" is listed under another meaning too")
                }
            }
        }
        switch (rule.at, rule.words.isEmpty, rule.means) {
        case (nil, true, _?), (_?, false, nil): return rule
        case (_?, true, _):
            throw fields.error("at", "needs words beside it: pending, succeeded, partial, failed or no_result")
        case (nil, false, _): throw fields.error("words need at beside them that says where they stand")
        case (nil, true, nil): throw fields.error("means", "this field is missing")
        case (_?, false, _?):
            throw fields.error("means", "does not go with words, which say by themselves what they mean")
        }
    }

    private static func checkStates(
        _ wire: Wire, _ states: [DefinitionFields], _ fields: DefinitionFields
    ) throws(CatalogError) {
        let said = wire.states.reduce(into: Set<StateRule.Meaning>()) { $0.formUnion($1.meanings) }
        let failsByResult = !(wire.result?.failedStatuses.isEmpty ?? true)
        for (meaning, isSaid) in [
            ("pending", said.contains(.pending)), ("succeeded", said.contains(.succeeded)),
            ("failed", said.contains(.failed) || said.contains(.noResult) || failsByResult),
        ] where !isSaid {
            throw fields.error("state", "no rule ever says \(meaning)")
        }
        if let first = wire.states.firstIndex(where: \.isDefault), first != wire.states.count - 1 {
            throw states[first + 1].error(
                wire.states[first + 1].isDefault
                    ? "a second default; the rule before it applies to everything already"
                    : "is never reached: the rule before it applies to everything")
        }
        if let last = wire.states.last, last.isDefault, last.means != .pending {
            throw states[states.count - 1].error(
                "means", "a default may only be pending: a doubtful record must not end a task")
        }
    }
}

extension JSONPointer {
    /// The document itself.
    static var whole: JSONPointer { JSONPointer(tokens: []) }
}
