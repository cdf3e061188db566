import TaskModel
import VerbatimJSON

extension Wire {
    /// The id that one of these places holds.
    func id(in body: JSONValue, at places: [JSONPointer]) -> RemoteTaskID? {
        text(in: body, at: places).flatMap { RemoteTaskID($0) }
    }

    /// The first text or number that one of these places holds.
    func text(in body: JSONValue, at places: [JSONPointer]) -> String? {
        places.lazy.flatMap { body.values(at: $0) }.compactMap { value -> String? in
            switch value {
            case .string(let text): text.isEmpty ? nil : text
            case .number(let number): number.digits
            case .null, .bool, .array, .object: nil
            }
        }.first
    }

    /// The first time that one of these places holds: seconds, milliseconds or RFC 3339.
    func time(in body: JSONValue, at places: [JSONPointer]) -> Timestamp? {
        places.lazy.compactMap { body.value(at: $0) }.compactMap { value -> Timestamp? in
            // Seconds reach 1e11 in the year 5138; milliseconds were there in 1973.
            if let number = value.number?.double, number > 1e11, number < 2.5e14 {
                return Timestamp(unixSeconds: number / 1_000)
            }
            return TaskRecord.time(value)
        }.first
    }
}

extension StateRule {
    /// What the rule says of a record; nil where it does not apply.
    func meaning(of record: JSONValue, httpStatus: Int) -> Meaning? {
        if !httpStatuses.isEmpty, !httpStatuses.contains(httpStatus) { return nil }
        guard present.allSatisfy({ Self.isPresent($0, in: record) }),
            !absent.contains(where: { Self.isPresent($0, in: record) })
        else { return nil }
        guard let at else { return means }
        let values = record.values(at: at).filter { !$0.isNull }
        let found = values.map { value in Wire.text(value).flatMap(meaning(ofWord:)) }
        let known = found.compactMap(\.self)
        guard !known.isEmpty else { return nil }
        // All of them, not any: a part that still runs, or that says what nobody knows, keeps the whole running.
        if known.count < values.count || known.contains(.pending) { return .pending }
        guard known.contains(where: { $0 == .succeeded || $0 == .partial }) else {
            return known.allSatisfy { $0 == .noResult } ? .noResult : .failed
        }
        return known.allSatisfy { $0 == .succeeded } ? .succeeded : .partial
    }

    /// Whether words stand there of which the rule knows some and not all, and none of those it knows is for waiting.
    func hasStranger(in record: JSONValue) -> Bool {
        guard let at else { return false }
        let found = record.values(at: at).filter { !$0.isNull }.map { Wire.text($0).flatMap(meaning(ofWord:)) }
        return found.contains(nil) && !found.contains(.pending)
    }

    /// The words at the rule's place that it does not list in this spelling.
    func unlistedWords(in record: JSONValue) -> [String] {
        guard let at else { return [] }
        return record.values(at: at).compactMap(Wire.text).filter { words[$0] == nil }
    }

    /// Whether there is anything; `null`, `false` and what is empty are nothing.
    private static func isPresent(_ pointer: JSONPointer, in record: JSONValue) -> Bool {
        record.values(at: pointer).contains { value in
            switch value {
            case .null: false
            case .bool(let flag): flag
            case .string(let text): !text.isEmpty
            case .array(let elements): !elements.isEmpty
            case .object(let object): !object.isEmpty
            case .number: true
            }
        }
    }
}

extension EndpointProfile {
    /// Judges a record by the endpoint's rules, in their order; says which one decided.
    ///
    /// A record to which none applies leaves the task running: asking again costs a request, a wrong end the result.
    func observe(_ record: JSONValue, by wire: Wire, httpStatus: Int) -> (observation: Observation, rule: StateRule?) {
        var decision: (StateRule, StateRule.Meaning)?
        for rule in wire.states {
            guard let meaning = rule.meaning(of: record, httpStatus: httpStatus) else { continue }
            decision = (rule, meaning)
            break
        }
        // Running only because no rule says otherwise, or because a part of it says something that no rule knows.
        let isUnrecognised =
            decision.map { rule, meaning in meaning == .pending && rule.hasStranger(in: record) } ?? true
        let verdict: Observation.Verdict =
            switch decision?.1 {
            case .pending, nil: .pending
            case .succeeded: .succeeded(partial: false)
            case .partial: .succeeded(partial: true)
            case .failed: .failed(failure(in: record, httpStatus: httpStatus, by: wire))
            case .noResult: .failed(noResult(in: record, httpStatus: httpStatus, by: wire))
            }
        let progress = wire.progress.flatMap { place in
            place.at.lazy.flatMap { record.values(at: $0) }
                .compactMap { TaskRecord.progress($0, scale: place.scale)?.percent }.min()
        }
        var observation = Observation(
            verdict, record: record, progress: progress?.clamped(to: 0...100),
            traceID: wire.text(in: record, at: wire.traceID),
            createdAt: wire.time(in: record, at: wire.times.createdAt),
            startedAt: wire.time(in: record, at: wire.times.startedAt),
            finishedAt: wire.time(in: record, at: wire.times.finishedAt),
            unrecognisedShape: isUnrecognised ? shape(of: record, by: wire) : nil)
        if !isUnrecognised { observation.respelledWord = decision?.0.unlistedWords(in: record).first }
        return (observation, decision?.0)
    }

    /// What is not understood: the words that no rule knows, and the names of the record's members.
    private func shape(of record: JSONValue, by wire: Wire) -> String {
        let places = Set(wire.states.compactMap(\.at))
        let unknown = places.flatMap { place in
            record.values(at: place).compactMap(Wire.text).filter { word in
                !wire.states.contains { $0.at == place && $0.meaning(ofWord: word) != nil }
            }.map { "\(place)=\"\(RecordShape.plain($0))\"" }
        }
        let members = RecordShape(words: reading.words).text(of: record)
        return unknown.isEmpty ? members : Set(unknown).sorted().prefix(4).joined(separator: ", ") + " in " + members
    }

    /// It has ended with nothing to show, and the provider does not say why.
    private func noResult(in record: JSONValue, httpStatus: Int, by wire: Wire) -> TaskFailure {
        TaskFailure(
            code: "no_result",
            message: wire.text(in: record, at: wire.errorMessage)
                ?? "The provider says that the task has ended, and gives neither a result nor a reason.",
            httpStatus: httpStatus,
            hint: "Change the request or try again later, as a new task; this one brings nothing more.")
    }

    /// Why a task failed, in the provider's words where it has any.
    private func failure(in record: JSONValue, httpStatus: Int, by wire: Wire) -> TaskFailure {
        let code = wire.text(in: record, at: wire.errorCode) ?? "provider_failed"
        return TaskFailure(
            code: code,
            message: wire.text(in: record, at: wire.errorMessage)
                ?? "The provider reports that the task failed and does not say why.",
            httpStatus: httpStatus, hint: reading.codes.hint(for: code, at: name))
    }
}
