import VerbatimJSON

/// The common parts of records of one kind: the names of their members, and an unknown status word.
///
/// It has no other values, so it can be shown and shared. Its length is bounded.
struct RecordShape {
    let words: StatusVocabulary

    func text(of record: JSONValue) -> String {
        let text = shape(of: record, depth: 0)
        return text.count <= Self.longest ? text : text.prefix(Self.longest) + "…"
    }

    private func shape(of value: JSONValue, depth: Int) -> String {
        switch value {
        case .object(let object):
            guard depth < Self.deepest else { return "{…}" }
            let unknownWord = words.unknownWord(in: object)
            let members = object.members.sorted { $0.name < $1.name }
            var parts = members.prefix(Self.widest).map { member in
                let isState = unknownWord != nil && ["state", "status"].contains(member.name) && !member.value.isNull
                let name = Self.plain(member.name)
                if isState, let text = member.value.string { return "\(name)=\"\(Self.plain(text))\"" }
                // The request differs from one task to the next.
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

    /// The text on one line and with limited length, because it comes from outside and goes into a log.
    static func plain(_ text: String) -> String {
        String(text.prefix(40).map { $0.isLetter || $0.isNumber || "-_.: ".contains($0) ? $0 : "?" })
    }

    private static let longest = 400
    private static let deepest = 4
    private static let widest = 24
}
