import VerbatimJSON

/// A rule that reads the state of a task from its record.
struct StateRule: Sendable, Hashable {
    enum Meaning: String, Sendable, Hashable, CaseIterable {
        case pending, succeeded, partial, failed
        /// The task has ended without a result or a reason.
        case noResult = "no_result"
    }

    /// The pointer to words, numbers or Booleans. All values that it matches count together.
    var at: JSONPointer?
    var words: [String: Meaning] = [:]
    /// The words that other rules list for the same pointer, in their exact spelling.
    var foreignWords: Set<String> = []
    /// The meaning of a rule without words if every condition holds.
    var means: Meaning?
    var present: [JSONPointer] = []
    var absent: [JSONPointer] = []
    var httpStatuses: Set<Int> = []
    /// The line of the rule in its file.
    var line: Int?

    /// All meanings of this rule.
    var meanings: Set<Meaning> { Set(words.values).union(means.map { [$0] } ?? []) }

    /// Whether it applies to every record.
    var isDefault: Bool { at == nil && present.isEmpty && absent.isEmpty && httpStatuses.isEmpty }

    /// The meaning of a word. An unlisted word has its meaning in another case, if that is unambiguous.
    func meaning(ofWord word: String) -> Meaning? {
        if let exact = words[word] { return exact }
        guard !foreignWords.contains(word) else { return nil }
        let folded = Set(words.filter { $0.key.lowercased() == word.lowercased() }.values)
        return folded.count == 1 ? folded.first : nil
    }
}

extension [StateRule] {
    /// The same rules, each with the words that the others list.
    var knowingEachOther: [StateRule] {
        enumerated().map { index, rule in
            var rule = rule
            for (other, listed) in enumerated() where other != index && listed.at == rule.at {
                rule.foreignWords.formUnion(listed.words.keys)
            }
            return rule
        }
    }
}

extension StateRule {
    /// The meaning of a record; nil if the rule does not apply.
    func meaning(of record: JSONValue, httpStatus: Int) -> Meaning? {
        if !httpStatuses.isEmpty, !httpStatuses.contains(httpStatus) { return nil }
        guard present.allSatisfy({ Self.isPresent($0, in: record) }),
            !absent.contains(where: { Self.isPresent($0, in: record) })
        else { return nil }
        guard let at else { return means }
        let values = record.values(at: at).filter { !$0.isNull }
        let found = values.map { value in DeclaredDialect.text(value).flatMap(meaning(ofWord:)) }
        let known = found.compactMap(\.self)
        guard !known.isEmpty else { return nil }
        // All parts count: one that still runs, or that has an unknown word, keeps the whole running.
        if known.count < values.count || known.contains(.pending) { return .pending }
        guard known.contains(where: { $0 == .succeeded || $0 == .partial }) else {
            return known.allSatisfy { $0 == .noResult } ? .noResult : .failed
        }
        return known.allSatisfy { $0 == .succeeded } ? .succeeded : .partial
    }

    /// Whether the record mixes known and unknown status words, and no known word means that the task is pending.
    func hasUnknownWord(in record: JSONValue) -> Bool {
        guard let at else { return false }
        let found = record.values(at: at).filter { !$0.isNull }.map {
            DeclaredDialect.text($0).flatMap(meaning(ofWord:))
        }
        return found.contains(nil) && !found.contains(.pending)
    }

    /// The words at the rule's pointer that it does not list in this spelling.
    func unlistedWords(in record: JSONValue) -> [String] {
        guard let at else { return [] }
        return record.values(at: at).compactMap(DeclaredDialect.text).filter { words[$0] == nil }
    }

    /// Whether the record has a value there; `null`, `false` and empty values do not count.
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

extension StateRule {
    /// The values that the rule read, as text.
    func text(_ record: JSONValue) -> String {
        var parts: [String] = []
        if let at { parts.append("\(at) says \(record.values(at: at).map(\.text).joined(separator: ", "))") }
        if let word = unlistedWords(in: record).first(where: { meaning(ofWord: $0) != nil }) {
            parts.append("which is listed in another case than \"\(word)\"")
        }
        if !present.isEmpty { parts.append("\(present.map(\.description).joined(separator: ", ")) is there") }
        if !absent.isEmpty { parts.append("\(absent.map(\.description).joined(separator: ", ")) is not there") }
        if !httpStatuses.isEmpty { parts.append("by the HTTP status") }
        return parts.isEmpty ? "the default" : parts.joined(separator: ", ")
    }
}
