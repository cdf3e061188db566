import TaskModel
import VerbatimJSON

extension InferredDialect {
    /// Builds the request in the asynchronous form.
    ///
    /// `async: true` makes the reply arrive in a second instead of minutes, so it is less likely to be lost. It is not
    /// added if the program sets it, or if the endpoint has only one form of reply. A null member counts as not set.
    func submission(
        of request: JSONObject, callbackURL: String?, ownID: String?
    ) throws(RequestProblem) -> UpstreamRequest {
        var body = request
        if let ownIDMember, let ownID, !request.decides(ownIDMember) { body[ownIDMember] = .string(ownID) }
        if !answersOnlyInline {
            let decides = request.decides("async") || request.decides("callback_url")
            if !isAlwaysAsynchronous && !decides { body["async"] = true }
            if let callbackURL, !request.decides("callback_url") { body["callback_url"] = .string(callbackURL) }
        }
        return UpstreamRequest(method: "POST", path: submitPath, body: JSONValue.object(body).utf8)
    }

    func body(of request: JSONObject) -> JSONObject { request }

    /// The id is sent under every documented name: xhuoapi's own page says `task_id`, the pages of the services say
    /// `id`.
    func lookup(_ id: RemoteTaskID, pollURL: String?) throws(RequestProblem) -> UpstreamRequest {
        query([("action", "retrieve")] + lookupKeys.map { ($0, .string(id.text)) })
    }

    fileprivate func query(_ members: [(String, JSONValue)]) -> UpstreamRequest {
        UpstreamRequest(method: "POST", path: tasksPath, body: JSONValue.object(JSONObject(members)).utf8)
    }
}

extension InferredBatching {
    /// `limit` is always sent. Its default of 12 may cut a longer list of ids; no page says whether it does.
    func lookup(_ ids: [RemoteTaskID]) -> UpstreamRequest? {
        guard !ids.isEmpty else { return nil }
        return dialect.query([
            ("action", "retrieve_batch"), ("ids", .array(ids.map { .string($0.text) })),
            ("limit", .number(JSONNumber(ids.count))),
        ])
    }
}

extension InferredListing {
    func page(from: Timestamp, to: Timestamp, at place: ListPlace, limit: Int) -> UpstreamRequest? {
        dialect.query([
            ("action", "retrieve_batch"),
            ("created_at_min", .number(JSONNumber(Int64(from.unixSeconds.rounded(.down))))),
            ("created_at_max", .number(JSONNumber(Int64(to.unixSeconds.rounded(.up))))),
            ("offset", .number(JSONNumber(place.offset))), ("limit", .number(JSONNumber(limit))),
        ])
    }
}
