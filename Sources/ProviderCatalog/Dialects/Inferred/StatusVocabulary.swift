import VerbatimJSON

/// The words for a task's state, in lower case. An unknown word never ends a task, but is reported.
///
/// The defaults are the union of all documented services; no word has two meanings among them.
struct StatusVocabulary: Sendable, Hashable {
    var succeeded: Set<String> = ["succeed", "succeeded", "completed", "complete", "done", "ready"]
    var failed: Set<String> = ["failed", "error", "cancelled", "canceled", "dead"]
    /// Headshots call an unfinished task `unknown`. The second line has other providers' words for it.
    var running: Set<String> = [
        "pending", "queued", "running", "processing", "planning", "producing", "unknown", "submitted", "created",
        "waiting", "starting", "started", "in_progress", "in_queue", "queueing", "preparing", "generating", "rendering",
    ]

    /// Creates the general vocabulary.
    init() {}
}

/// The meaning of a state or status member.
enum StatusWord: Hashable {
    case succeeded
    case failed
    /// Any word that does not end a task, known or not, and any value that is not a text.
    case running
}

/// The combined meaning of all words.
enum CombinedStatus: Hashable {
    case pending
    case succeeded(partial: Bool)
    case failed
}

extension StatusVocabulary {
    /// The status words of one object. Absent and null members are ignored.
    ///
    /// Numbers in a `status` member are HTTP statuses: 2xx says nothing, and ``ReportedError`` reads 4xx and 5xx. Any
    /// other value that is not a word counts as running, because a doubtful value must never end a task.
    func words(of object: JSONObject) -> [StatusWord] {
        ["state", "status"].compactMap { name in
            switch object[name] {
            case nil, .null: nil
            case .string(let text): word(text)
            case .number(let number) where name == "status" && HTTPStatus(number) != nil: nil
            case .number, .bool, .array, .object: .running
            }
        }
    }

    private func word(_ text: String) -> StatusWord {
        let word = text.lowercased()
        if succeeded.contains(word) { return .succeeded }
        return failed.contains(word) ? .failed : .running
    }

    /// Combines all words: one song of two may be done while the other still runs.
    static func combined(_ words: [StatusWord]) -> CombinedStatus? {
        guard !words.isEmpty else { return nil }
        if words.contains(.running) { return .pending }
        guard words.contains(.succeeded) else { return .failed }
        return .succeeded(partial: words.contains(.failed))
    }
}

/// An HTTP status that a body repeats as a number.
struct HTTPStatus {
    let code: Int

    init?(_ number: JSONNumber) {
        guard let code = number.integer, 200...299 ~= code || 400...599 ~= code else { return nil }
        self.code = Int(code)
    }

    var isError: Bool { code >= 400 }
}
