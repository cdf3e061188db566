import TaskModel
import VerbatimJSON

extension DeclaredDialect {
    /// The id at one of these pointers.
    func id(in body: JSONValue, at places: [JSONPointer]) -> RemoteTaskID? {
        text(in: body, at: places).flatMap { RemoteTaskID($0) }
    }

    /// The first text or number at these pointers.
    func text(in body: JSONValue, at places: [JSONPointer]) -> String? {
        places.lazy.flatMap { body.values(at: $0) }.compactMap { value -> String? in
            switch value {
            case .string(let text): text.isEmpty ? nil : text
            case .number(let number): number.digits
            case .null, .bool, .array, .object: nil
            }
        }.first
    }

    /// The first time at these pointers: seconds, milliseconds or RFC 3339.
    func time(in body: JSONValue, at places: [JSONPointer]) -> Timestamp? {
        places.lazy.compactMap { body.value(at: $0) }.compactMap { value -> Timestamp? in
            // Seconds reach 1e11 in the year 5138; milliseconds reached it in 1973.
            if let number = value.number?.double, number > 1e11, number < 2.5e14 {
                return Timestamp(unixSeconds: number / 1_000)
            }
            return TaskRecord.time(value)
        }.first
    }
}

extension DeclaredDialect {
    /// Decides the state of a record by the endpoint's rules, in order. Also returns the rule that decided.
    ///
    /// A record that no rule matches leaves the task running. Another poll costs a request; a wrong end loses the
    /// result.
    func decide(
        _ record: JSONValue, of id: RemoteTaskID?, httpStatus: Int
    ) -> (observation: Observation, rule: StateRule?) {
        var decision: (StateRule, StateRule.Meaning)?
        for rule in states {
            guard let meaning = rule.meaning(of: record, httpStatus: httpStatus) else { continue }
            decision = (rule, meaning)
            break
        }
        // The task counts as running only because no rule matches, or because a part has a value that no rule knows.
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
            hint: "Change the request or try again later with a new task. This task has ended.")
    }

    /// Why a task failed, in the provider's words if it gives any.
    private func failure(in record: JSONValue, httpStatus: Int) -> TaskFailure {
        let code = text(in: record, at: errorCode) ?? "provider_failed"
        return TaskFailure(
            code: code,
            message: text(in: record, at: errorMessage)
                ?? "The provider reports that the task failed and gives no reason.",
            httpStatus: httpStatus, hint: rules.codes.hint(for: code, at: rules.endpoint))
    }
}
