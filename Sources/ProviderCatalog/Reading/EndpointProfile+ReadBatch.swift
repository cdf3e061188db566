package import TaskModel
package import VerbatimJSON

extension EndpointProfile {
    /// Reads what the reply to a look-up of several tasks says of each of them.
    ///
    /// Records are matched by id, never by position: replies come in another order, leave out unknown ids silently and
    /// repeat ids asked for twice. What was not asked for is passed over.
    package func readBatch(_ reply: UpstreamReply, of ids: [RemoteTaskID]) -> BatchVerdict {
        if let batch = wire?.batch, let wire { return readBatch(reply, of: ids, by: wire, batch) }
        switch readItems(reply) {
        case .items(let items):
            let asked = Set(ids)
            var observations: [RemoteTaskID: Observation] = [:]
            for item in items {
                guard let record = TaskRecord(item), let id = record.ids.first(where: asked.contains),
                    !saysUnknown(record)
                else { continue }
                // Of two copies the finished one is the newer.
                if let known = observations[id], known.verdict != .pending { continue }
                observations[id] = observe(record, as: .record, httpStatus: reply.status)
            }
            return .observed(observations)
        case .throttled(let failure, let wait): return .throttled(failure, retryAfter: wait)
        case .failed(let failure, let stopsProvider): return .failed(failure, stopsProvider: stopsProvider)
        }
    }

    /// Reads one page of the provider's own list of tasks.
    ///
    /// The counts beside it are not used: on Maestro `count` is that of all tasks, elsewhere that of the page.
    package func readListing(_ reply: UpstreamReply) -> ListingVerdict {
        if let list = wire?.list { return readListing(reply, by: list) }
        switch readItems(reply) {
        case .items(let items):
            let tasks = items.compactMap(listedTask)
            return .page(tasks, unreadable: items.count - tasks.count)
        case .throttled(let failure, let wait): return .throttled(failure, retryAfter: wait)
        case .failed(let failure, let stopsProvider): return .failed(failure, stopsProvider: stopsProvider)
        }
    }

    /// A record as an item of the provider's list, with the request that it echoes; nil where it has no id.
    package func listedTask(_ item: JSONValue) -> ListedTask? {
        if let wire { return wire.list.flatMap { listedTask(item, by: wire, $0) } }
        guard let record = TaskRecord(item), let id = record.ids.first else { return nil }
        return ListedTask(
            remoteID: id, traceID: record.traceID, createdAt: record.time("created_at"),
            type: record.top["type"]?.string ?? record.top["task_type"]?.string,
            request: record.top["request"] ?? .null)
    }

    /// Whether an item only says that the provider does not know the id.
    private func saysUnknown(_ record: TaskRecord) -> Bool {
        ReportedError(in: record.top).map { error in
            reading.codes.meaning(code: error.code, message: error.message) == .unknownTask
        } ?? false
    }

    private enum Items {
        case items([JSONValue])
        case throttled(TaskFailure, retryAfter: Duration?)
        case failed(TaskFailure, stopsProvider: Bool)
    }

    private func readItems(_ reply: UpstreamReply) -> Items {
        let answer = ProviderAnswer(reply, at: self)
        if answer.isThrottled { return .throttled(failure(answer), retryAfter: answer.retryAfter) }
        if let (problem, stopsProvider) = queryProblem(answer) {
            return .failed(problem, stopsProvider: stopsProvider)
        }
        if let items = answer.body?["items"]?.array { return .items(items) }
        // Services that answer `{}` for one unknown id may do so for several.
        if answer.body?.object?.isEmpty == true { return .items([]) }
        guard answer.error != nil else { return .failed(unexpected(answer), stopsProvider: false) }
        return .failed(failure(answer), stopsProvider: answer.stopsAccount)
    }
}
