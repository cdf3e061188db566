/// Reads the signatures in a header field in any list syntax: `v1,A v1,B`, `v1,A, v1,B`, `t=1, v1=A, v1=B`.
enum SignatureList {
    /// The values of a form that is a list of names and values, in any order. It returns each signature with the time
    /// before it, or else the first time.
    static func values(of pairs: [(name: String, place: String)], in text: String) -> [[String: String]] {
        var times: [String] = []
        var found: [(values: [String: String], timesBefore: Int)] = []
        for part in parts(of: text, separatedBy: ",; \t") {
            guard let equals = part.firstIndex(of: "="), let pair = pairs.first(where: { $0.name == part[..<equals] })
            else { continue }
            let value = String(part[part.index(after: equals)...].trimming { $0 == "\"" })
            if pair.place == "timestamp" {
                times.append(value)
            } else {
                found.append(([pair.place: value], times.count))
            }
        }
        let needsTime = pairs.contains { $0.place == "timestamp" }
        return found.compactMap { values, timesBefore in
            guard needsTime else { return values }
            guard let first = times.first else { return nil }
            return values.merging(["timestamp": timesBefore > 0 ? times[timesBefore - 1] : first]) { $1 }
        }
    }

    /// The values of a form, for each entry of a list that has that form.
    static func values(of form: Template, in text: String) -> [[String: String]] {
        var found: [[String: String]] = []
        var rest = text[...]
        while true {
            rest = rest.drop(while: isSeparator)
            guard !rest.isEmpty else { return found }
            if let (values, end) = match(form, at: rest), end.first.map(isSeparator) ?? true {
                found.append(values)
                rest = end
            } else {
                rest = rest.drop { !isSeparator($0) }
            }
        }
    }

    /// The parts between separators, without surrounding blanks.
    static func parts(of text: String, separatedBy separators: String) -> [String] {
        text.split { separators.contains($0) }.map { String($0.trimming { $0 == " " || $0 == "\t" }) }
    }

    private static func match(_ form: Template, at text: Substring) -> ([String: String], end: Substring)? {
        var rest = text
        var values: [String: String] = [:]
        for piece in form.pieces {
            switch piece {
            case .text(let plain):
                guard rest.hasPrefix(plain) else { return nil }
                rest = rest.dropFirst(plain.count).drop { $0 == " " || $0 == "\t" }
            case .place(let name, _):
                let value = rest.prefix { isLetter($0, of: name) }
                guard !value.isEmpty else { return nil }
                values[name] = String(value)
                rest = rest[value.endIndex...]
            }
        }
        return (values, rest)
    }

    private static func isSeparator(_ character: Character) -> Bool { ",; \t".contains(character) }

    /// Whether the character is allowed in a value.
    private static func isLetter(_ character: Character, of place: String) -> Bool {
        switch place {
        case "hex": character.isHexDigit
        case "base64": character.isASCII && (character.isLetter || character.isNumber || "+/-_=".contains(character))
        default: character.isASCII && (character.isNumber || character == ".")
        }
    }
}

extension Template {
    /// The names and placeholders of a form like `t={timestamp},v1={hex}`; nil for any other form.
    var pairs: [(name: String, place: String)]? {
        var pairs: [(name: String, place: String)] = []
        for (index, piece) in pieces.enumerated() {
            switch piece {
            case .text(let text) where index % 2 == 0 && text.hasSuffix("="):
                let name = text.dropLast().trimming { ",; ".contains($0) }
                guard !name.isEmpty, !name.contains(where: { ",;= ".contains($0) }) else { return nil }
                pairs.append((String(name), ""))
            case .place(let name, _) where index % 2 == 1: pairs[pairs.count - 1].place = name
            case .text, .place: return nil
            }
        }
        return pieces.count % 2 == 0 && !pairs.isEmpty ? pairs : nil
    }
}

extension StringProtocol {
    /// The text without unwanted characters at its ends.
    fileprivate func trimming(_ isUnwanted: (Character) -> Bool) -> SubSequence {
        let start = self[...].drop(while: isUnwanted)
        return start.lastIndex { !isUnwanted($0) }.map { start[...$0] } ?? start.prefix(0)
    }
}
