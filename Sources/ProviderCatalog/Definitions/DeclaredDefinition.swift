import TaskModel
import VerbatimJSON

/// Reads the `endpoints` of a definition, which describe each step of a task.
enum DeclaredDefinition {
    private static let fields = [
        "summary", "submit", "accepted", "poll", "batch", "list", "state", "progress", "times", "trace_id", "results",
        "result", "cancel", "error", "gateway", "max_in_flight", "submits_per_second", "submission_timeout_seconds",
        "typical_seconds", "upper_seconds", "min_gap_seconds", "artefact_lifetime_seconds", "results_need_token",
        "price",
    ]

    static func endpoints(
        _ fields: DefinitionFields, of file: DefinitionFields, provider: ProviderProfile, hosts: HostAllowlist,
        shared: SharedRules
    ) throws(CatalogError) -> [(profile: EndpointProfile, line: Int?)] {
        let errors = try error(file)
        return try fields.names.map { operation, line throws(CatalogError) in
            guard let name = provider.endpointName(operation) else {
                throw fields.error(
                    operation, "is not an endpoint name; expected letters, digits and -_./ without a colon")
            }
            guard !operation.contains(":") else {
                throw fields.error(operation, "the provider's name is added automatically")
            }
            let own = try fields.required(operation) { name throws(CatalogError) in
                try fields.fields(name, allowed: Self.fields)
            }
            let rules = shared.rules(of: name, provider: provider.name)
            let dialect = try dialect(own, rules: rules, hosts: hosts, errors: errors)
            var profile = EndpointProfile(name, provider: provider.name, kind: dialect.kind, dialect: dialect)
            profile.baseURL = provider.baseURL
            profile.summary = try own.text("summary")
            profile.limits = ServiceLimits(
                maxInFlight: try own.count("max_in_flight"), submitsPerSecond: try own.rate("submits_per_second"))
            try own.readTimes(into: &profile)
            profile.artefactLifetime = try own.span("artefact_lifetime_seconds")
            profile.filesNeedToken = try own.flag("results_need_token") ?? dialect.result?.isFile ?? false
            try own.readPrice(into: &profile)
            return (profile, line)
        }
    }

    // MARK: The steps

    private static func dialect(
        _ fields: DefinitionFields, rules: ResponseRules, hosts: HostAllowlist,
        errors: (code: [JSONPointer], message: [JSONPointer])
    ) throws(CatalogError) -> DeclaredDialect {
        let submit = try fields.required("submit") { name throws(CatalogError) in
            try fields.fields(name, allowed: callFields + ["set", "callback", "own_id"])
        }
        let accepted = try fields.required("accepted") { name throws(CatalogError) in
            try fields.fields(name, allowed: ["id", "id_header", "poll_url", "poll_url_header", "at", "words"])
        }
        let states = try fields.required("state") { name throws(CatalogError) in
            try fields.list(name, allowed: ruleFields)
        }
        let results = try fields.places("results") ?? []
        var dialect = DeclaredDialect(
            rules: rules, hosts: hosts, kind: EndpointKind(of: rules.endpoint, results: results),
            submit: try call(submit, method: "POST", places: nil), acceptance: try acceptance(accepted),
            states: try states.map(rule).knowingEachOther, results: results)
        dialect.defaults = try set(submit)
        dialect.callback = try callback(submit)
        dialect.ownIDMember = try submit.text("own_id")
        if let error = try fields.fields("error", allowed: errorFields), error.has("wait") {
            dialect.rules.wait = try error.waitPlace("wait")
        }
        try readPoll(fields, into: &dialect)
        if dialect.ownIDMember != nil, dialect.poll?.path == nil {
            throw submit.error("own_id", "is only useful if poll has a path")
        }
        try readBatch(fields, into: &dialect)
        try readList(fields, into: &dialect)
        dialect.result = try result(fields)
        guard !results.isEmpty || dialect.result != nil else {
            throw fields.error("results", "this field is missing; it says where the results are in the last record")
        }
        if let cancel = try fields.fields("cancel", allowed: callFields + ["while"]) {
            dialect.cancel = DeclaredDialect.Cancellation(call: try call(cancel, method: "DELETE", places: ["id"]))
            if let states = try cancel.fields("while", allowed: ["at", "words"]) {
                dialect.cancel?.states = DeclaredDialect.Cancellation.States(
                    at: try states.required("at", states.places),
                    words: Set(try states.required("words", states.texts)))
            }
        }
        if let progress = try fields.fields("progress", allowed: ["at", "scale"]) {
            dialect.progress = DeclaredDialect.ProgressPlace(
                at: try progress.required("at", progress.places), scale: try progress.choice("scale") ?? .percent)
        }
        if let times = try fields.fields("times", allowed: ["created_at", "started_at", "finished_at"]) {
            dialect.times = DeclaredDialect.Times(
                createdAt: try times.places("created_at") ?? [], startedAt: try times.places("started_at") ?? [],
                finishedAt: try times.places("finished_at") ?? [])
        }
        dialect.traceID = try fields.places("trace_id") ?? []
        dialect.forms = try GatewayDefinition.forms(fields)
        let own = try error(fields)
        dialect.errorCode = own.code.isEmpty ? errors.code : own.code
        dialect.errorMessage = own.message.isEmpty ? errors.message : own.message
        try checkStates(dialect, states, fields)
        return dialect
    }

    static let errorFields = ["code", "message", "wait"]
    private static let callFields = ["method", "path", "query", "headers", "body"]
    private static let ruleFields = [
        "at", "pending", "succeeded", "partial", "failed", "no_result", "present", "absent", "http_status", "means",
    ]

    private static func call(
        _ fields: DefinitionFields, method: String, places: Set<String>?, needsPath: Bool = true
    ) throws(CatalogError) -> DeclaredDialect.Call {
        if places == nil, fields.has("body") {
            throw fields.error("body", "the body is the program's request; put additions into set")
        }
        let path = try fields.template("path", places: places)
        if needsPath, path == nil { _ = try fields.required("path", fields.path) }
        return DeclaredDialect.Call(
            method: try fields.method("method") ?? method, path: path,
            query: try fields.templates("query", places: places) ?? [],
            headers: try fields.templates("headers", places: places) ?? [], body: try fields.json("body"))
    }

    private static func set(_ fields: DefinitionFields) throws(CatalogError) -> JSONObject {
        guard let value = try fields.json("set") else { return JSONObject() }
        guard let object = value.object else { throw fields.error("set", "expected fields with values") }
        return object
    }

    private static func callback(_ fields: DefinitionFields) throws(CatalogError) -> DeclaredDialect.Callback? {
        guard let callback = try fields.fields("callback", allowed: ["member", "query", "id", "state", "results"])
        else {
            return nil
        }
        let place: DeclaredDialect.Callback.Place =
            switch (try callback.text("member"), try callback.text("query")) {
            case (let member?, nil): .member(member)
            case (nil, let query?): .query(query)
            default: throw callback.error("expected exactly one of member and query")
            }
        let rules = callback.has("state") ? try callback.list("state", allowed: ruleFields) ?? [] : []
        return DeclaredDialect.Callback(
            place: place, id: try callback.places("id") ?? [], states: try rules.map(rule).knowingEachOther,
            results: try callback.places("results") ?? [])
    }

    private static func acceptance(_ fields: DefinitionFields) throws(CatalogError) -> DeclaredDialect.Acceptance {
        var acceptance = DeclaredDialect.Acceptance(
            id: try fields.places("id") ?? [], pollURL: try fields.places("poll_url") ?? [],
            idHeader: try fields.text("id_header")?.lowercased(),
            pollURLHeader: try fields.text("poll_url_header")?.lowercased())
        if acceptance.idHeader == nil { _ = try fields.required("id", fields.places) }
        switch (try fields.place("at"), try fields.texts("words")) {
        case (let at?, let words?):
            acceptance.condition = DeclaredDialect.Acceptance.Condition(at: at, words: Set(words))
        case (nil, nil): break
        case (_?, nil): throw fields.error("at", "needs words beside it that mean acceptance")
        case (nil, _?): throw fields.error("words", "needs at beside it, the pointer to them")
        }
        return acceptance
    }

    private static func readPoll(_ fields: DefinitionFields, into dialect: inout DeclaredDialect) throws(CatalogError) {
        if let poll = try fields.fields("poll", allowed: callFields + ["id", "wait"]) {
            dialect.poll = try call(poll, method: "GET", places: ["id"], needsPath: !dialect.acceptance.namesPollURL)
            dialect.recordID = try poll.places("id") ?? []
            dialect.wait = try poll.waitPlace("wait")
        } else if !dialect.acceptance.namesPollURL {
            throw fields.error(
                "poll", "this field is missing, and so is accepted.poll_url: there is no address to poll")
        }
    }

    private static func readBatch(
        _ fields: DefinitionFields, into dialect: inout DeclaredDialect
    ) throws(CatalogError) {
        guard let batch = try fields.fields("batch", allowed: callFields + ["size", "items", "id"]) else { return }
        dialect.batch = DeclaredDialect.Batch(
            call: try call(batch, method: "POST", places: ["ids"]), size: try batch.required("size", batch.count),
            items: try batch.place("items") ?? .whole,
            id: try batch.required("id", batch.places))
    }

    private static func readList(
        _ fields: DefinitionFields, into dialect: inout DeclaredDialect
    ) throws(CatalogError) {
        let own = [
            "time", "items", "id", "created_at", "request", "trust", "whole", "next", "more", "newest_first",
        ]
        guard let list = try fields.fields("list", allowed: callFields + own) else { return }
        let trust: ListingTrust = try list.choice("trust") ?? .vendorCode
        guard trust != .none else { throw list.error("trust", "omit list if there is none") }
        let read = DeclaredDialect.List(
            call: try call(list, method: "GET", places: ["from", "to", "offset", "limit", "after"]), trust: trust,
            time: try list.choice("time") ?? .seconds, items: try list.place("items") ?? .whole,
            id: try list.required("id", list.places), createdAt: try list.required("created_at", list.places),
            request: try list.places("request") ?? [], isWhole: try list.flag("whole") ?? false,
            next: try list.place("next"), more: try list.place("more"),
            isNewestFirst: try list.flag("newest_first") ?? false)
        let followed = read.next != nil ? "next" : read.more != nil ? "more" : read.isAfterLast ? "after" : nil
        if let followed, !read.request.isEmpty {
            // Only the overlap of two pages shows that none of their items is missing.
            throw list.error(
                "request", "must be left out of a list that is read by \(followed): lost tasks are not searched in it")
        }
        guard read.more == nil || read.isAfterLast else {
            throw list.error("more", "needs {after} in the call: the id of the last item of the page before")
        }
        dialect.list = read
    }

    private static func result(_ fields: DefinitionFields) throws(CatalogError) -> DeclaredDialect.ResultFetch? {
        let allowed = callFields + ["url", "failed_statuses", "is_file"]
        guard let result = try fields.fields("result", allowed: allowed) else { return nil }
        var fetch = DeclaredDialect.ResultFetch(
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

    // MARK: Rules for the state

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
        case (nil, false, _): throw fields.error("words need at beside them, the pointer to them")
        case (nil, true, nil): throw fields.error("means", "this field is missing")
        case (_?, false, _?):
            throw fields.error("means", "cannot be combined with words, which have their own meanings")
        }
    }

    private static func checkStates(
        _ dialect: DeclaredDialect, _ states: [DefinitionFields], _ fields: DefinitionFields
    ) throws(CatalogError) {
        let said = dialect.states.reduce(into: Set<StateRule.Meaning>()) { $0.formUnion($1.meanings) }
        let failsByResult = !(dialect.result?.failedStatuses.isEmpty ?? true)
        for (meaning, isSaid) in [
            ("pending", said.contains(.pending)), ("succeeded", said.contains(.succeeded)),
            ("failed", said.contains(.failed) || said.contains(.noResult) || failsByResult),
        ] where !isSaid {
            throw fields.error("state", "no rule has the meaning \(meaning)")
        }
        if let first = dialect.states.firstIndex(where: \.isDefault), first != dialect.states.count - 1 {
            throw states[first + 1].error(
                dialect.states[first + 1].isDefault
                    ? "a second default; the rule before it already applies to everything"
                    : "is never reached: the rule before it applies to everything")
        }
        if let last = dialect.states.last, last.isDefault, last.means != .pending {
            throw states[states.count - 1].error(
                "means", "a default may only be pending: a doubtful record must not end a task")
        }
    }
}

extension JSONPointer {
    /// The document itself.
    static var whole: JSONPointer { JSONPointer(tokens: []) }
}
