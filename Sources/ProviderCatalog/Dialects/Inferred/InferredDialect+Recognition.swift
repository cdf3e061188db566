import TaskModel
import VerbatimJSON

extension InferredDialect {
    /// The shape of a record that counts as pending only because no rule understands it; nil if the record clearly
    /// shows that the work continues.
    ///
    /// Clear evidence is a known word for it, progress below 100, no answer yet, an answer with nothing but
    /// bookkeeping, or `success: true` without a result. `success: false` without a sign of an end is clear too.
    func unrecognisedShape(of record: TaskRecord) -> String? {
        isPlainlyPending(record) ? nil : RecordShape(words: rules.words).text(of: record.whole)
    }

    private func isPlainlyPending(_ record: TaskRecord) -> Bool {
        // This follows the order of the inference: only the evidence that decides must be understood.
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
        // A URL or data under an undeclared name may be the result.
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
    /// Whether `response` is absent or empty. A text or a number in its place is not understood.
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
    /// The unknown status word of an object; nil if all is understood.
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
