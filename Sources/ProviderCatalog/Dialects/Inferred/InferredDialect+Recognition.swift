import TaskModel
import VerbatimJSON

extension InferredDialect {
    /// The shape of a record that counts as pending only because no rule understands it; nil for one that plainly says
    /// that the work goes on.
    ///
    /// Plain evidence is a known word for it, progress below 100, no answer yet, an answer that holds nothing but
    /// bookkeeping, `success: true` without a result, and `success: false` that does not say that it has ended.
    func unrecognisedShape(of record: TaskRecord) -> String? {
        isPlainlyPending(record) ? nil : RecordShape(words: rules.words).text(of: record.whole)
    }

    private func isPlainlyPending(_ record: TaskRecord) -> Bool {
        // The same order as that of the evidence: what decides must be understood, the rest need not be.
        if !rules.words.words(of: record.top).isEmpty { return understands([record.top]) }
        guard let body = record.body else { return record.isWithoutAnswer }
        if !innerWords(record).isEmpty {
            let nested = body["data"]?.object.map { [$0] } ?? []
            return understands((record.isWrapped ? [body] : []) + nested + record.items)
        }
        switch record.progress(scale: progressScale) {
        case .percent(let percent) where percent < 100: return true
        case .percent(let percent) where percent > 100: return false
        case .unreadable: return false
        case .percent, nil: break
        }
        let candidates = ResultCandidate.all(in: body, at: []) { _ in false }
        switch record.success {
        case .no: return true
        case .unreadable: return false
        // Something to fetch under an undeclared name may be the result.
        case .yes: return !candidates.contains { ($0.kind == .url || $0.kind == .data) && !isKnown($0.name) }
        case .absent: return !candidates.contains { !isKnown($0.name) }
        }
    }

    private func understands(_ objects: [JSONObject]) -> Bool {
        objects.allSatisfy { rules.words.unknownWord(in: $0) == nil }
    }

    private func isKnown(_ name: String) -> Bool {
        TaskRecord.bookkeeping.contains(name) || TaskRecord.notResults.contains(name)
            || resultMembers?.contains(name) ?? false || resultPlaces.contains { $0.tokens.contains(name) }
    }
}

extension TaskRecord {
    /// Whether `response` is absent or empty; a text or a number in its place is something that we do not understand.
    fileprivate var isWithoutAnswer: Bool {
        switch top["response"] {
        case nil, .null: true
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .bool, .number, .object: false
        }
    }
}

extension StatusVocabulary {
    /// What the object says of its state that is no word of ours; nil where all is understood.
    func unknownWord(in object: JSONObject) -> String? {
        for name in ["state", "status"] {
            switch object[name] {
            case nil, .null: continue
            case .string(let text):
                let word = text.lowercased()
                let isKnown =
                    word.isEmpty || running.contains(word) || succeeded.contains(word) || failed.contains(word)
                if !isKnown { return text }
            case .number(let number) where name == "status" && HTTPStatus(number) != nil: continue
            case .number(let number): return number.digits
            case .bool(let flag): return "\(flag)"
            case .array, .object: return object[name]?.kind
            }
        }
        return nil
    }
}
