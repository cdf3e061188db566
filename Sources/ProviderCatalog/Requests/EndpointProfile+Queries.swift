package import TaskModel
package import VerbatimJSON

extension EndpointProfile {
    /// Asks for one task.
    ///
    /// The id goes under every key that a document names: xhuoapi's own page says `task_id`, the pages of the services
    /// say `id`.
    ///
    /// `pollURL` is where the provider said to ask, if it did; it is followed to allowed hosts only.
    package func lookup(_ id: RemoteTaskID, pollURL: String? = nil) throws(RequestProblem) -> UpstreamRequest {
        if let wire { return try wire.lookup(id, pollURL: pollURL, hosts: hosts) }
        return query([("action", "retrieve")] + lookupKeys.map { ($0, .string(id.text)) })
    }

    /// Asks for several tasks at once; nil where the endpoint cannot, or nothing is asked.
    ///
    /// `limit` is always sent: its default of 12 may cut a longer list of ids, no page says whether it does.
    package func batchLookup(_ ids: [RemoteTaskID]) -> UpstreamRequest? {
        guard supportsBatch, !ids.isEmpty else { return nil }
        if let wire { return wire.batchLookup(ids) }
        return query([
            ("action", "retrieve_batch"), ("ids", .array(ids.map { .string($0.text) })),
            ("limit", .number(JSONNumber(ids.count))),
        ])
    }

    /// What of a program's request stands in the body that the provider gets, and can echo; the rest stands in the address or
    /// in header fields.
    package func body(of request: JSONObject) -> JSONObject {
        var body = request
        for name in wire?.submit.names ?? [] { body[name] = nil }
        return body
    }

    /// Whether the provider's list is one page that its definition promises to be whole.
    package var listIsWhole: Bool { wire?.list?.isWhole ?? false }

    /// Asks for one page of the provider's own list of tasks created within a window; nil where it has none.
    ///
    /// The window is widened to whole seconds, which is what the parameters are documented in.
    package func listing(from: Timestamp, to: Timestamp, offset: Int, limit: Int) -> UpstreamRequest? {
        guard supportsListing else { return nil }
        if let wire { return wire.listing(from: from, to: to, offset: offset, limit: limit) }
        return query([
            ("action", "retrieve_batch"),
            ("created_at_min", .number(JSONNumber(Int64(from.unixSeconds.rounded(.down))))),
            ("created_at_max", .number(JSONNumber(Int64(to.unixSeconds.rounded(.up))))),
            ("offset", .number(JSONNumber(offset))), ("limit", .number(JSONNumber(limit))),
        ])
    }

    private func query(_ members: [(String, JSONValue)]) -> UpstreamRequest {
        UpstreamRequest(method: "POST", path: tasksPath, body: JSONValue.object(JSONObject(members)).utf8)
    }
}
