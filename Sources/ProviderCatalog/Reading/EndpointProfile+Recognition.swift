import TaskModel
import VerbatimJSON

extension EndpointProfile {
    /// The shape of a record that counts as pending only because no rule understands it; nil for one that plainly says
    /// that the work goes on.
    ///
    /// Plain evidence is a known word for it, progress below 100, no answer yet, an answer that holds nothing but
    /// bookkeeping, `success: true` without a result, and `success: false` that does not say that it has ended.
    func unrecognisedShape(of record: TaskRecord) -> String? {
        isPlainlyPending(record) ? nil : RecordShape(words: reading.words).text(of: record.whole)
    }

    private func isPlainlyPending(_ record: TaskRecord) -> Bool {
        // The same order as that of the evidence: what decides must be understood, the rest need not be.
        if !reading.words.words(of: record.top).isEmpty { return understands([record.top]) }
        guard let body = record.body else { return record.isWithoutAnswer }
        if !innerWords(record).isEmpty {
            let nested = body["data"]?.object.map { [$0] } ?? []
            return understands((record.isWrapped ? [body] : []) + nested + record.items)
        }
        switch record.progress(scale: reading.progressScale) {
        case .percent(let percent) where percent < 100: return true
        case .percent(let percent) where percent > 100: return false
        case .unreadable: return false
        case .percent, nil: break
        }
        let leaves = ResultLeaf.all(in: body, at: []) { _ in false }
        switch record.success {
        case .no: return true
        case .unreadable: return false
        // Something to fetch under a name that nobody told us may be the result.
        case .yes: return !leaves.contains { ($0.kind == .url || $0.kind == .data) && !isKnown($0.name) }
        case .absent: return !leaves.contains { !isKnown($0.name) }
        }
    }

    private func understands(_ objects: [JSONObject]) -> Bool {
        objects.allSatisfy { reading.words.stranger(in: $0) == nil }
    }

    private func isKnown(_ name: String) -> Bool {
        TaskRecord.bookkeeping.contains(name) || TaskRecord.notResults.contains(name)
            || reading.resultMembers?.contains(name) ?? false || artefacts.contains { $0.tokens.contains(name) }
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

extension StateWords {
    /// What the object says of its state that is no word of ours; nil where all is understood.
    func stranger(in object: JSONObject) -> String? {
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

/// What records of one kind have in common: the names of their members, and a word for their state that is unknown.
///
/// No other values, so it can be shown and sent to others; and bounded, whatever the record.
struct RecordShape {
    let words: StateWords

    func text(of record: JSONValue) -> String {
        let text = shape(of: record, depth: 0)
        return text.count <= Self.longest ? text : text.prefix(Self.longest) + "…"
    }

    private func shape(of value: JSONValue, depth: Int) -> String {
        switch value {
        case .object(let object):
            guard depth < Self.deepest else { return "{…}" }
            let stranger = words.stranger(in: object)
            let members = object.members.sorted { $0.name < $1.name }
            var parts = members.prefix(Self.widest).map { member in
                let isState = stranger != nil && ["state", "status"].contains(member.name) && !member.value.isNull
                let name = Self.plain(member.name)
                if isState, let text = member.value.string { return "\(name)=\"\(Self.plain(text))\"" }
                // What was asked for differs from one task to the next.
                return name + (member.name == "request" ? "" : shape(of: member.value, depth: depth + 1))
            }
            if members.count > Self.widest { parts.append("…") }
            return "{" + parts.joined(separator: ",") + "}"
        case .array(let elements):
            let shapes = Set(elements.prefix(Self.widest).map { shape(of: $0, depth: depth) })
            return "[" + shapes.sorted().joined(separator: "|") + "]"
        case .null, .bool, .number, .string:
            return ""
        }
    }

    /// On one line and not long: it comes from outside, and goes into a log.
    static func plain(_ text: String) -> String {
        String(text.prefix(40).map { $0.isLetter || $0.isNumber || "-_.: ".contains($0) ? $0 : "?" })
    }

    private static let longest = 400
    private static let deepest = 4
    private static let widest = 24
}
