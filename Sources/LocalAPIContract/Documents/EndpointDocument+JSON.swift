package import VerbatimJSON

extension EndpointDocument {
    /// Reads an endpoint.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json)
        self.init(
            name: try reader.required("name", reader.string),
            provider: try reader.string("provider") ?? "",
            kind: try reader.string("kind") ?? "text",
            answers: try reader.string("answers") ?? "asynchronously",
            batchSize: try reader.integer("batch_size"),
            listing: try reader.string("listing") ?? "none",
            example: reader.value("example") ?? .null,
            state: try reader.required("state", reader.string),
            until: try reader.string("until"),
            reason: try reader.string("reason"),
            inFlight: try reader.integer("in_flight") ?? 0,
            queued: try reader.integer("queued") ?? 0,
            uncertain: try reader.integer("uncertain") ?? 0,
            maxInFlight: try reader.integer("max_in_flight"),
            submitsPerSecond: try reader.number("submits_per_second"),
            typicalSeconds: try reader.number("typical_seconds"),
            learned: try reader.nested("learned", Durations.init(reader:)),
            finished: try reader.integer("finished") ?? 0,
            callsPerTask: try reader.number("calls_per_task"),
            meanLatenessSeconds: try reader.number("mean_lateness_seconds"),
            throttled: try reader.integer("throttled") ?? 0,
            polls: try reader.integer("polls") ?? 0,
            pollsPerMinute: try reader.number("polls_per_minute") ?? 0,
            lastError: try reader.nested("last_error", LastError.init(reader:)),
            callbacks: try reader.nested("callbacks", Callbacks.init(reader:)),
            unrecognised: try reader.nested("unrecognised", Unrecognised.init(reader:)))
    }

    /// Every field, in the contract's order.
    package var json: JSONValue {
        [
            "name": .string(name), "provider": .string(provider), "kind": .string(kind), "answers": .string(answers),
            "batch_size": JSONValue(batchSize), "listing": .string(listing), "example": example,
            "state": .string(state), "until": JSONValue(until), "reason": JSONValue(reason),
            "in_flight": .number(JSONNumber(inFlight)),
            "queued": .number(JSONNumber(queued)), "uncertain": .number(JSONNumber(uncertain)),
            "max_in_flight": JSONValue(maxInFlight), "submits_per_second": JSONValue(submitsPerSecond),
            "typical_seconds": JSONValue(typicalSeconds), "learned": learned?.json ?? .null,
            "finished": .number(JSONNumber(finished)), "calls_per_task": JSONValue(callsPerTask),
            "mean_lateness_seconds": JSONValue(meanLatenessSeconds), "throttled": .number(JSONNumber(throttled)),
            "polls": .number(JSONNumber(polls)), "polls_per_minute": JSONValue(pollsPerMinute),
            "last_error": lastError?.json ?? .null, "callbacks": callbacks?.json ?? .null,
            "unrecognised": unrecognised?.json ?? .null,
        ]
    }
}

extension EndpointDocument.Durations {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        p50Seconds = try reader.required("p50_seconds", reader.number)
        p90Seconds = try reader.required("p90_seconds", reader.number)
        samples = try reader.required("samples", reader.integer)
    }

    fileprivate var json: JSONValue {
        [
            "p50_seconds": JSONValue(p50Seconds), "p90_seconds": JSONValue(p90Seconds),
            "samples": .number(JSONNumber(samples)),
        ]
    }
}

extension EndpointDocument.Callbacks {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        expected = try reader.required("expected", reader.integer)
        came = try reader.required("came", reader.integer)
        missing = try reader.integer("missing") ?? 0
        trust = try reader.number("trust") ?? 0
        meanDelaySeconds = try reader.number("mean_delay_seconds")
    }

    fileprivate var json: JSONValue {
        [
            "expected": .number(JSONNumber(expected)), "came": .number(JSONNumber(came)),
            "missing": .number(JSONNumber(missing)), "trust": JSONValue(trust),
            "mean_delay_seconds": JSONValue(meanDelaySeconds),
        ]
    }
}

extension EndpointDocument.LastError {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        code = try reader.required("code", reader.string)
        message = try reader.string("message") ?? ""
        httpStatus = try reader.integer("http_status")
        at = try reader.required("at", reader.string)
    }

    fileprivate var json: JSONValue {
        [
            "code": .string(code), "message": .string(message), "http_status": JSONValue(httpStatus),
            "at": .string(at),
        ]
    }
}

extension EndpointDocument.Unrecognised {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        count = try reader.required("count", reader.integer)
        lastShape = try reader.string("last_shape") ?? ""
        lastAt = try reader.required("last_at", reader.string)
    }

    fileprivate var json: JSONValue {
        ["count": .number(JSONNumber(count)), "last_shape": .string(lastShape), "last_at": .string(lastAt)]
    }
}

/// All endpoints that the daemon knows.
package struct EndpointPage: Sendable, Hashable {
    package var endpoints: [EndpointDocument]

    package init(endpoints: [EndpointDocument]) {
        self.endpoints = endpoints
    }

    /// Reads the list.
    package init(json: JSONValue) throws(ContractError) {
        endpoints = try DocumentReader(json).documents("endpoints", EndpointDocument.init(json:))
    }

    /// The list as it is sent.
    package var json: JSONValue { ["endpoints": .array(endpoints.map(\.json))] }
}
