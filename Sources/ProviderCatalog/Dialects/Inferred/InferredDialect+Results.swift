import TaskModel
import VerbatimJSON

extension InferredDialect {
    /// The results of a finished task's record; empty while it runs and if it failed.
    ///
    /// Members that the definition names come first, then members with the name of a result. Texts and ids count only
    /// if there is nothing to fetch, because songs also have styles and videos have ids. Echoed request values and
    /// members of failed parts are never results.
    func results(in record: JSONValue, of id: RemoteTaskID?) -> [TaskResult] {
        guard let record = TaskRecord(record),
            case .succeeded = infer(from: record, as: record.isWrapped ? .record : .reply, httpStatus: 200)
        else { return [] }
        return results(in: record)
    }

    /// The results of a record whose task has succeeded.
    func results(in record: TaskRecord) -> [TaskResult] {
        let inputs = record.inputs
        for part in record.parts {
            let candidates = ResultCandidate.all(in: part.value, at: part.path, failed: hasFailed).filter { candidate in
                !inputs.contains(candidate.text)
            }
            let found = declaredOrNamed(among: candidates)
            if !found.isEmpty { return found }
            // The members beside the answer are bookkeeping, with many ids and words that are not results.
            guard part.isAnswer else { continue }
            let words = ResultCandidate.results(candidates.filter(isTextOrID))
            if !words.isEmpty { return words }
            if answersOnlyInline {
                return ResultCandidate.results(candidates.filter { !TaskRecord.bookkeeping.contains($0.name) })
            }
        }
        return []
    }

    private func declaredOrNamed(among candidates: [ResultCandidate]) -> [TaskResult] {
        let declared = resultPlaces.flatMap { pointer in
            let place = TaskRecord.placeInAnswer(pointer)
            return candidates.filter { $0.stands(at: place) }
        }
        return ResultCandidate.results(declared + candidates.filter(isResult))
    }

    /// Whether it has a result's name: one that the definition lists, else a general one.
    private func isResult(_ candidate: ResultCandidate) -> Bool {
        if let members = resultMembers { return members.contains(candidate.name) }
        guard candidate.kind == .url || candidate.kind == .data, !TaskRecord.notResults.contains(candidate.name) else {
            return false
        }
        let isSmallCopy = candidate.name.contains("thumbnail") || candidate.name.contains("preview")
        return !isSmallCopy && (TaskRecord.isURL(candidate.name) || candidate.kind == .data)
    }

    private func isTextOrID(_ candidate: ResultCandidate) -> Bool {
        switch candidate.kind {
        case .text: Self.textNames.contains(candidate.name)
        case .id: candidate.name.hasSuffix("_id") && !Self.foreignIDs.contains(candidate.name)
        case .url, .data: false
        }
    }

    private func hasFailed(_ part: JSONObject) -> Bool {
        let words = rules.words.words(of: part)
        return words.isEmpty ? ReportedError(in: part)?.form == .object : words.contains(.failed)
    }

    /// The members in which the documented services put texts: lyrics, styles, descriptions, translations, pages,
    /// captcha answers.
    private static let textNames: Set<String> = [
        "text", "lyric", "lyrics", "style", "upsampled_tags", "description", "descriptions", "content", "markdown",
        "html", "transcript", "translation", "token", "solution",
    ]

    /// Ids of the call, its parts or its sender. They are not results.
    private static let foreignIDs: Set<String> = [
        "task_id", "trace_id", "request_id", "job_id", "user_id", "application_id", "api_id", "credential_id",
        "image_id", "template_id", "produce_id", "source_clip_id", "_id",
    ]
}

extension TaskRecord {
    /// A part of the record that is searched for results.
    fileprivate struct Part {
        let value: JSONObject
        let path: [String]
        let isAnswer: Bool
    }

    /// The answer, then the members beside it.
    fileprivate var parts: [Part] {
        let outer = whole["task"]?.object != nil ? ["task"] : []
        guard isWrapped else { return [Part(value: top, path: outer, isAnswer: true)] }
        var beside = top
        beside["response"] = nil
        let answer = body.map { Part(value: $0, path: outer + ["response"], isAnswer: true) }
        return [answer, Part(value: beside, path: outer, isAnswer: false)].compactMap(\.self)
    }

    /// All texts and numbers of the request, as far as the record echoes it.
    fileprivate var inputs: Set<String> {
        var texts: Set<String> = []
        for echo in [top["request"], body?["request"]].compactMap(\.self) { Self.collect(echo, into: &texts) }
        return texts
    }

    private static func collect(_ value: JSONValue, into texts: inout Set<String>) {
        switch value {
        case .string(let text): texts.insert(text)
        case .number(let number): texts.insert(number.digits)
        case .array(let elements): for element in elements { collect(element, into: &texts) }
        case .object(let object): for member in object.members { collect(member.value, into: &texts) }
        case .null, .bool: break
        }
    }

    /// The pointer relative to the answer. The answer also occurs without its `response` wrapper.
    fileprivate static func placeInAnswer(_ pointer: JSONPointer) -> ArraySlice<String> {
        var tokens = pointer.tokens[...]
        for wrapper in ["task", "response"] where tokens.first == wrapper { tokens = tokens.dropFirst() }
        return tokens
    }
}
