import VerbatimJSON

/// How the provider echoes requests in its records, and pages its list.
enum EchoHabit: Sendable, CaseIterable {
    case verbatim
    /// Strips spaces at the ends of texts.
    case trims
    /// Truncates texts to twelve characters.
    case truncates
    /// Converts texts to upper case.
    case recases
    /// Hides the callback URL.
    case redacts
    /// Limits pages to ten records.
    case pagesInTens
    /// The list omits edited images.
    case hidesEdits

    /// The echo of a request.
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

    /// Whether echoes equal their requests, so that records can be distinguished.
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
