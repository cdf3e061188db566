package import VerbatimJSON

extension TaskDocument {
    /// Reads what a daemon of this version or a newer one says.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json)
        self.init(
            id: try reader.required("id", reader.string),
            endpoint: try reader.required("endpoint", reader.string),
            state: try reader.required("state", reader.string),
            partial: try reader.bool("partial") ?? false,
            remoteID: try reader.string("remote_id"),
            traceID: try reader.string("trace_id"),
            labels: try reader.strings("labels") ?? [:],
            priority: try reader.integer("priority") ?? 0,
            request: reader.value("request") ?? .null,
            response: reader.value("response") ?? .null,
            results: try reader.array("results") == nil ? [] : try reader.documents("results", Result.init(json:)),
            error: try reader.nested("error", Failure.init(reader:)),
            progress: try reader.number("progress"),
            eta: try reader.nested("eta", Expectation.init(reader:)),
            slowerThanUsualSince: try reader.string("slower_than_usual_since"),
            createdAt: try reader.required("created_at", reader.string),
            submittedAt: try reader.string("submitted_at"),
            startedAt: try reader.string("started_at"),
            finishedAt: try reader.string("finished_at"),
            endedAt: try reader.string("ended_at"),
            notBefore: try reader.string("not_before"),
            deadline: try reader.string("deadline"),
            nextPollAt: try reader.string("next_poll_at"),
            attempts: try reader.integer("attempts") ?? 0,
            polls: try reader.integer("polls") ?? 0,
            onUncertain: try reader.string("on_uncertain") ?? "hold",
            resolution: try reader.string("resolution"),
            outcomeSource: try reader.string("outcome_source"),
            callback: try reader.nested("callback", Callback.init(reader:)),
            waitingFor: try reader.nested("waiting_for", Reason.init(reader:)))
    }

    /// Every field, in the contract's order.
    package var json: JSONValue {
        // Members and not a literal, whose pairs would all be copied: it is written for each answer of the socket.
        .object(
            JSONObject(distinct: [
                .init("id", .string(id)),
                .init("endpoint", .string(endpoint)),
                .init("state", .string(state)),
                .init("partial", .bool(partial)),
                .init("remote_id", JSONValue(remoteID)),
                .init("trace_id", JSONValue(traceID)),
                .init("labels", JSONValue(labels)),
                .init("priority", .number(JSONNumber(priority))),
                .init("request", request),
                .init("response", response),
                .init("results", .array(results.map(\.json))),
                .init("error", error?.json ?? .null),
                .init("progress", JSONValue(progress)),
                .init("eta", eta?.json ?? .null),
                .init("slower_than_usual_since", JSONValue(slowerThanUsualSince)),
                .init("created_at", .string(createdAt)),
                .init("submitted_at", JSONValue(submittedAt)),
                .init("started_at", JSONValue(startedAt)),
                .init("finished_at", JSONValue(finishedAt)),
                .init("ended_at", JSONValue(endedAt)),
                .init("not_before", JSONValue(notBefore)),
                .init("deadline", JSONValue(deadline)),
                .init("next_poll_at", JSONValue(nextPollAt)),
                .init("attempts", .number(JSONNumber(attempts))),
                .init("polls", .number(JSONNumber(polls))),
                .init("on_uncertain", .string(onUncertain)),
                .init("resolution", JSONValue(resolution)),
                .init("outcome_source", JSONValue(outcomeSource)),
                .init("callback", callback?.json ?? .null),
                .init("waiting_for", waitingFor?.json ?? .null),
            ]))
    }
}

extension TaskDocument.Failure {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        code = try reader.required("code", reader.string)
        message = try reader.string("message") ?? ""
        httpStatus = try reader.integer("http_status")
        hint = try reader.string("hint")
    }

    fileprivate var json: JSONValue {
        [
            "code": .string(code), "message": .string(message), "http_status": JSONValue(httpStatus),
            "hint": JSONValue(hint),
        ]
    }
}

extension TaskDocument.Callback {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        receiver = try reader.required("receiver", reader.string)
        deliveries = try reader.integer("deliveries") ?? 0
        latestAt = try reader.string("latest_at")
    }

    fileprivate var json: JSONValue {
        [
            "receiver": .string(receiver), "deliveries": .number(JSONNumber(deliveries)),
            "latest_at": JSONValue(latestAt),
        ]
    }
}

extension TaskDocument.Result {
    fileprivate init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json, at: "results")
        kind = try reader.required("kind", reader.string)
        pointer = try reader.string("pointer") ?? ""
        value = reader.value("value") ?? .null
        mediaType = try reader.string("media_type")
        sizeBytes = try reader.integer("size_bytes")
    }

    fileprivate var json: JSONValue {
        [
            "kind": .string(kind), "pointer": .string(pointer), "value": value, "media_type": JSONValue(mediaType),
            "size_bytes": JSONValue(sizeBytes),
        ]
    }
}

extension TaskDocument.Expectation {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        p50 = try reader.required("p50", reader.string)
        p90 = try reader.required("p90", reader.string)
    }

    fileprivate var json: JSONValue { ["p50": .string(p50), "p90": .string(p90)] }
}

extension TaskDocument.Reason {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        code = try reader.required("code", reader.string)
        message = try reader.string("message") ?? ""
    }

    fileprivate var json: JSONValue { ["code": .string(code), "message": .string(message)] }
}
