import VerbatimJSON

/// How one endpoint speaks, told step by step: what an entry under `endpoints` of a definition holds.
///
/// Endpoints under `services` have none of this. They share one shape, and their records are judged by evidence
/// (`Reading/Evidence.swift`); everything else about them is the same.
package struct Wire: Sendable, Hashable {
    /// The paid request; its body is the program's own unless the call has one.
    var submit: Call
    /// Members added to the body where the program gave none: the asynchronous flag, mostly.
    var defaults = JSONObject()
    var callback: Callback?
    var acceptance: Acceptance
    /// Asks for one task; nil where only an address from the reply leads to it.
    var poll: Call?
    /// Where the reply to a poll says how long to wait before the next one.
    var wait: WaitPlace?
    /// Where a record repeats the id that was asked for.
    var recordID: [JSONPointer] = []
    var batch: Batch?
    var list: List?
    /// The first that applies decides.
    var states: [StateRule]
    var progress: ProgressPlace?
    var times = Times()
    var traceID: [JSONPointer] = []
    var result: ResultFetch?
    var cancel: Cancellation?
    /// Where errors stand, in records and in refusals.
    var errorCode: [JSONPointer] = []
    var errorMessage: [JSONPointer] = []

    /// One request, with places to fill in.
    struct Call: Sendable, Hashable {
        var method: String
        var path: Template?
        var query: [Named] = []
        var headers: [Named] = []
        var body: JSONValue?

        struct Named: Sendable, Hashable {
            let name: String
            let template: Template
        }
    }

    /// Where a callback URL goes, and how a delivery is read where it is no record as a poll brings.
    struct Callback: Sendable, Hashable {
        var place: Place
        /// Where a delivery names its task; where records do, if that is empty.
        var id: [JSONPointer] = []
        /// The first that applies decides; those of records, if there are none.
        var states: [StateRule] = []
        /// Where a delivery holds the results; where records do, if nothing stands there.
        var results: [JSONPointer] = []

        enum Place: Sendable, Hashable {
            case member(String)
            case query(String)
        }
    }

    /// What a reply to the paid request must say to count as taken.
    struct Acceptance: Sendable, Hashable {
        var id: [JSONPointer]
        var pollURL: [JSONPointer] = []
        /// The header field that holds the id, or an address that ends in it; in small letters.
        var idHeader: String?
        /// The header field that holds the address to ask at; in small letters.
        var pollURLHeader: String?
        /// Whether the reply says where to ask.
        var namesPollURL: Bool { !pollURL.isEmpty || pollURLHeader != nil }
        /// Where a word or number says whether it was taken, and which do; nil where every 2xx with an id does.
        var condition: Condition?

        struct Condition: Sendable, Hashable {
            var at: JSONPointer
            var words: Set<String>
        }
    }

    /// Asks for several tasks at once.
    struct Batch: Sendable, Hashable {
        var call: Call
        var items: JSONPointer
        var id: [JSONPointer]
    }

    /// Asks for the tasks of a span of time.
    struct List: Sendable, Hashable {
        enum TimeForm: String, Sendable, CaseIterable { case seconds, milliseconds, rfc3339 }

        var call: Call
        var time: TimeForm
        var items: JSONPointer
        var id: [JSONPointer]
        var createdAt: [JSONPointer]
        var request: [JSONPointer]
        /// Whether one page shows every task of the window, so that no further page is asked for.
        var isWhole = false
    }

    struct ProgressPlace: Sendable, Hashable {
        var at: [JSONPointer]
        var scale: ReadingRules.ProgressScale
    }

    struct Times: Sendable, Hashable {
        var createdAt: [JSONPointer] = []
        var startedAt: [JSONPointer] = []
        var finishedAt: [JSONPointer] = []
    }

    /// Where the result is, if it does not stand in the record.
    struct ResultFetch: Sendable, Hashable {
        /// By an address that the record names …
        var url: [JSONPointer] = []
        /// … or by a call of its own.
        var call: Call?
        /// Statuses that mean that the task failed after all.
        var failedStatuses: Set<Int> = []
        /// Whether it is a file, of which only the address is told.
        var isFile = false
    }

    struct Cancellation: Sendable, Hashable {
        var call: Call?
        /// The states in which the provider takes it; any, where none are told.
        var states: States?

        struct States: Sendable, Hashable {
            var at: [JSONPointer]
            var words: Set<String>
        }
    }
}

/// One rule that tells the state of a task from its record.
struct StateRule: Sendable, Hashable {
    enum Meaning: String, Sendable, Hashable, CaseIterable {
        case pending, succeeded, partial, failed
        /// It has ended, with neither a result nor a reason.
        case noResult = "no_result"
    }

    /// Where words, numbers or Booleans tell it; all that the pointer reaches count together.
    var at: JSONPointer?
    var words: [String: Meaning] = [:]
    /// What other rules list for the same place, in exactly that spelling.
    var foreignWords: Set<String> = []
    /// What it means where there are no words and every condition holds.
    var means: Meaning?
    var present: [JSONPointer] = []
    var absent: [JSONPointer] = []
    var httpStatuses: Set<Int> = []
    /// Where the rule stands in its file.
    var line: Int?

    /// Everything that this rule can say.
    var meanings: Set<Meaning> { Set(words.values).union(means.map { [$0] } ?? []) }

    /// Whether it applies to every record.
    var isDefault: Bool { at == nil && present.isEmpty && absent.isEmpty && httpStatuses.isEmpty }

    /// What a word means; one that no rule lists means what it does in another case, where that is one thing only.
    func meaning(ofWord word: String) -> Meaning? {
        if let exact = words[word] { return exact }
        guard !foreignWords.contains(word) else { return nil }
        let folded = Set(words.filter { $0.key.lowercased() == word.lowercased() }.values)
        return folded.count == 1 ? folded.first : nil
    }
}

extension [StateRule] {
    /// The same rules, each knowing what the others list.
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
