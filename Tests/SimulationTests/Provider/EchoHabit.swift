import VerbatimJSON

/// How the provider of a history writes requests into its records, and pages its list.
enum EchoHabit: Sendable, CaseIterable {
    case verbatim
    /// Texts lose the blanks at their ends.
    case trims
    /// Texts are cut to twelve characters.
    case truncates
    /// Words for operations are in capitals; ours has none, so that they say nothing.
    case recases
    /// The callback URL is hidden.
    case redacts
    /// Ten records on a page, whatever is asked for.
    case pagesInTens
    /// The list never shows edited images.
    case hidesEdits

    /// The request as the record echoes it.
    func echo(_ request: JSONObject) -> JSONObject {
        switch self {
        case .verbatim, .pagesInTens, .hidesEdits: request
        case .trims: request.mappingTexts { $0.trimmingSpaces }
        case .truncates: request.mappingTexts { String($0.prefix(12)) }
        case .recases: request.mappingTexts { $0.uppercased() }
        case .redacts:
            JSONObject(request.members.map { ($0.name, $0.name == "callback_url" ? "https://***" : $0.value) })
        }
    }

    /// Whether a record is the same as what was sent, so that it can be told from all others.
    var isFaithful: Bool {
        switch self {
        case .verbatim, .pagesInTens, .hidesEdits: true
        case .trims, .truncates, .recases, .redacts: false
        }
    }
}

extension JSONObject {
    fileprivate func mappingTexts(_ change: (String) -> String) -> JSONObject {
        JSONObject(
            members.map { member in
                guard member.name != "callback_url", let text = member.value.string else {
                    return (member.name, member.value)
                }
                return (member.name, .string(change(text)))
            })
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
