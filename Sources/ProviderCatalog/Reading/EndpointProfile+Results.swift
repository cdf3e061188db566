package import TaskModel
package import VerbatimJSON

extension EndpointProfile {
    /// What a finished task brought, found in its record; empty while it runs and where it failed.
    ///
    /// The places that the definition names come first, then whatever is named like a result. Texts and ids count only
    /// where there is nothing to fetch: a song has a style too, and a video an id, but nobody came for those. What was
    /// asked for is never a result, under whatever name it is echoed; nor is what belongs to a part that failed.
    ///
    /// Where the endpoint is told step by step, exactly what stands at the places that it names; that the task has
    /// succeeded is the caller's to know, for the record of the result does not say it. `id` is the provider's.
    package func results(in record: JSONValue, of id: RemoteTaskID? = nil) -> [TaskResult] {
        if let wire { return declaredResults(in: record, of: id, by: wire) }
        guard let record = TaskRecord(record),
            case .succeeded = judge(record, as: record.isWrapped ? .record : .reply, httpStatus: 200)
        else { return [] }
        let inputs = record.inputs
        for part in record.parts {
            let leaves = ResultLeaf.all(in: part.value, at: part.path, failed: hasFailed).filter { leaf in
                !inputs.contains(leaf.text)
            }
            let found = artefacts(among: leaves)
            if !found.isEmpty { return found }
            // Beside the answer there is nothing but the provider's bookkeeping, which is full of ids and words.
            guard part.isAnswer else { continue }
            let words = unique(leaves.filter(isTextOrID))
            if !words.isEmpty { return words }
            if answersOnlyInline { return unique(leaves.filter { !TaskRecord.bookkeeping.contains($0.name) }) }
        }
        return []
    }

    private func declaredResults(in record: JSONValue, of id: RemoteTaskID?, by wire: Wire) -> [TaskResult] {
        func found(at places: [JSONPointer]) -> [TaskResult] {
            unique(places.flatMap { record.located(at: $0) }.flatMap { ResultLeaf.all(in: $0.value, at: $0.path) })
        }
        for places in [artefacts, wire.callback?.results ?? []] {
            let results = found(at: places)
            if !results.isEmpty { return results }
        }
        return wire.result.flatMap { $0.isFile ? file(of: id, in: record, by: $0, wire) : nil }.map { [$0] } ?? []
    }

    /// A file that the provider keeps, by its address; whoever fetches it needs the provider's token.
    private func file(
        of id: RemoteTaskID?, in record: JSONValue, by result: Wire.ResultFetch, _ wire: Wire
    ) -> TaskResult? {
        if let place = result.url.lazy.flatMap({ record.located(at: $0) }).first(where: { $0.value.string != nil }) {
            return ResultLeaf.all(in: place.value, at: place.path).first?.result
        }
        guard let call = result.call, let id = id ?? wire.id(in: record, at: wire.recordID),
            // An id that fits into no address was told when it was asked for.
            let request = try? wire.request(call, id: id)
        else { return nil }
        return TaskResult(
            kind: .url, pointer: wire.recordID.first ?? .whole, value: .string(hosts.baseURL + request.path),
            mediaType: kind == .text ? nil : "\(kind.rawValue)/*")
    }

    private func artefacts(among leaves: [ResultLeaf]) -> [TaskResult] {
        let declared = artefacts.flatMap { pointer in
            let place = TaskRecord.placeInAnswer(pointer)
            return leaves.filter { $0.stands(at: place) }
        }
        return unique(declared + leaves.filter(isResult))
    }

    /// Whether the name says so: one that the definition lists, else one that is like those of results.
    private func isResult(_ leaf: ResultLeaf) -> Bool {
        if let members = reading.resultMembers { return members.contains(leaf.name) }
        guard leaf.kind == .url || leaf.kind == .data, !TaskRecord.notResults.contains(leaf.name) else { return false }
        let isSmallCopy = leaf.name.contains("thumbnail") || leaf.name.contains("preview")
        return !isSmallCopy && (TaskRecord.isURL(leaf.name) || leaf.kind == .data)
    }

    private func isTextOrID(_ leaf: ResultLeaf) -> Bool {
        switch leaf.kind {
        case .text: Self.textNames.contains(leaf.name)
        case .id: leaf.name.hasSuffix("_id") && !Self.foreignIDs.contains(leaf.name)
        case .url, .data: false
        }
    }

    private func hasFailed(_ part: JSONObject) -> Bool {
        let words = reading.words.words(of: part)
        return words.isEmpty ? ReportedError(in: part)?.form == .object : words.contains(.failed)
    }

    /// One result for each thing, at the first of its places.
    private func unique(_ leaves: [ResultLeaf]) -> [TaskResult] {
        var seen: Set<String> = []
        return leaves.filter { seen.insert($0.text).inserted }.map(\.result)
    }

    /// Where the documented services put texts: lyrics, styles, descriptions, translations, pages, answers of a captcha.
    private static let textNames: Set<String> = [
        "text", "lyric", "lyrics", "style", "upsampled_tags", "description", "descriptions", "content", "markdown",
        "html", "transcript", "translation", "token", "solution",
    ]

    /// Ids that name the call, its parts or whoever made it, but nothing that came of it.
    private static let foreignIDs: Set<String> = [
        "task_id", "trace_id", "request_id", "job_id", "user_id", "application_id", "api_id", "credential_id",
        "image_id", "template_id", "produce_id", "source_clip_id", "_id",
    ]
}

extension TaskRecord {
    /// A part of the record in which results are looked for.
    fileprivate struct Part {
        let value: JSONObject
        let path: [String]
        let isAnswer: Bool
    }

    /// The answer, and behind it what stands beside it.
    fileprivate var parts: [Part] {
        let outer = whole["task"]?.object != nil ? ["task"] : []
        guard isWrapped else { return [Part(value: top, path: outer, isAnswer: true)] }
        var beside = top
        beside["response"] = nil
        let answer = body.map { Part(value: $0, path: outer + ["response"], isAnswer: true) }
        return [answer, Part(value: beside, path: outer, isAnswer: false)].compactMap(\.self)
    }

    /// Every text and number of what was asked for, as far as it is echoed.
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

    /// A place told for the documented shape of a record, counted from the answer, which also comes without its wrapper.
    fileprivate static func placeInAnswer(_ pointer: JSONPointer) -> ArraySlice<String> {
        var tokens = pointer.tokens[...]
        for wrapper in ["task", "response"] where tokens.first == wrapper { tokens = tokens.dropFirst() }
        return tokens
    }
}
