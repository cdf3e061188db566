import TaskModel
import VerbatimJSON

extension DeclaredDialect {
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

extension DeclaredDialect {
    /// Decides about a record by the endpoint's rules, in their order; returns the rule that decided too.
    ///
    /// A record to which none applies leaves the task running: asking again costs a request, a wrong end the result.
    func decide(
        _ record: JSONValue, of id: RemoteTaskID?, httpStatus: Int
    ) -> (observation: Observation, rule: StateRule?) {
        var decision: (StateRule, StateRule.Meaning)?
        for rule in states {
            guard let meaning = rule.meaning(of: record, httpStatus: httpStatus) else { continue }
            decision = (rule, meaning)
            break
        }
        // Running only because no rule says otherwise, or because a part of it says something that no rule knows.
        let isUnrecognised =
            decision.map { rule, meaning in meaning == .pending && rule.hasUnknownWord(in: record) } ?? true
        let verdict: Observation.Verdict =
            switch decision?.1 {
            case .pending, nil: .pending
            case .succeeded: .succeeded(partial: false)
            case .partial: .succeeded(partial: true)
            case .failed: .failed(failure(in: record, httpStatus: httpStatus))
            case .noResult: .failed(noResult(in: record, httpStatus: httpStatus))
            }
        let percent = progress.flatMap { place in
            place.at.lazy.flatMap { record.values(at: $0) }
                .compactMap { TaskRecord.progress($0, scale: place.scale)?.percent }.min()
        }
        var observation = Observation(
            verdict, record: record, progress: percent?.clamped(to: 0...100),
            traceID: text(in: record, at: traceID),
            createdAt: time(in: record, at: times.createdAt),
            startedAt: time(in: record, at: times.startedAt),
            // Where it is the time of the latest change, a task that goes on has one too.
            finishedAt: verdict == .pending ? nil : time(in: record, at: times.finishedAt),
            unrecognisedShape: isUnrecognised ? shape(of: record) : nil)
        if !isUnrecognised { observation.respelledWord = decision?.0.unlistedWords(in: record).first }
        if case .succeeded = verdict { observation.results = results(in: record, of: id) }
        return (observation, decision?.0)
    }

    /// The shape of an unrecognised record: its unknown words and the names of its members.
    private func shape(of record: JSONValue) -> String {
        let places = Set(states.compactMap(\.at))
        let unknown = places.flatMap { place in
            record.values(at: place).compactMap(Self.text).filter { word in
                !states.contains { $0.at == place && $0.meaning(ofWord: word) != nil }
            }.map { "\(place)=\"\(RecordShape.plain($0))\"" }
        }
        let members = RecordShape(words: rules.words).text(of: record)
        return unknown.isEmpty ? members : Set(unknown).sorted().prefix(4).joined(separator: ", ") + " in " + members
    }

    /// The failure of a task that ended with neither a result nor a reason.
    private func noResult(in record: JSONValue, httpStatus: Int) -> TaskFailure {
        TaskFailure(
            code: "no_result",
            message: text(in: record, at: errorMessage)
                ?? "The provider says that the task has ended, and gives neither a result nor a reason.",
            httpStatus: httpStatus,
            hint: "Change the request or try again later, as a new task; this one brings nothing more.")
    }

    /// Why a task failed, in the provider's words where it has any.
    private func failure(in record: JSONValue, httpStatus: Int) -> TaskFailure {
        let code = text(in: record, at: errorCode) ?? "provider_failed"
        return TaskFailure(
            code: code,
            message: text(in: record, at: errorMessage)
                ?? "The provider reports that the task failed and does not say why.",
            httpStatus: httpStatus, hint: rules.codes.hint(for: code, at: rules.endpoint))
    }
}
