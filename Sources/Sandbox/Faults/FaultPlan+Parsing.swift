/// Why a text is not a valid fault plan.
package enum FaultPlanError: Error, Equatable, CustomStringConvertible {
    /// No fault has this name.
    case unknownKind(String)
    /// The same fault appears twice.
    case repeatedKind(String)
    /// The fault lacks `=PROBABILITY` or `@NUMBERS`.
    case missingOccurrence(String)
    /// The text after `=` is not a number from 0 to 1.
    case badProbability(kind: String, text: String)
    /// The text after `@` is not a list of numbers from 1.
    case badNumber(kind: String, text: String)
    /// The text after `:` is not a duration such as `500ms`, `3s` or `2m`.
    case badSpan(kind: String, text: String)
    /// This fault takes no duration.
    case unexpectedSpan(kind: String)

    /// States the mistake and the valid form.
    package var description: String {
        switch self {
        case .unknownKind(let name):
            "There is no fault named '\(name)'. Known: \(FaultKind.allCases.map(\.rawValue).joined(separator: ", "))."
        case .repeatedKind(let name): "The fault '\(name)' is named twice; give it one rule."
        case .missingOccurrence(let name):
            "State when '\(name)' applies: '\(name)=0.1' for one request in ten, '\(name)@1,3' for the first and third."
        case .badProbability(let kind, let text):
            "'\(text)' is not a probability for '\(kind)'; write a number from 0 to 1, such as \(kind)=0.1."
        case .badNumber(let kind, let text):
            "'\(text)' is not a request number for '\(kind)'; they count from 1, as in \(kind)@1,3."
        case .badSpan(let kind, let text):
            "'\(text)' is not a duration for '\(kind)'; write 500ms, 3s or 2m, as in \(kind)=0.1:3s."
        case .unexpectedSpan(let kind): "The fault '\(kind)' has no duration; remove the colon and the text after it."
        }
    }
}

extension FaultPlan {
    /// The grammar and all fault kinds, as help text.
    package static var help: String {
        var lines = [
            "none, or rules separated by commas:",
            "  KIND=P       affects each request with probability P (0 to 1)",
            "  KIND@1,3     affects the first and the third request (submits, tasks queries and downloads count apart)",
            "  KIND=P:SPAN  with a span: 500ms, 3s, 2m, in real time",
            "The first rule that affects a request decides its reply; late-record and result-expires add to any other.",
            "Those of callbacks use the number of their submit, and add to each other.",
            "Example: lost-reply@1,3,late-record=0.5:3s,429-retry-after=0.05:2s,poll-500=0.1", "",
        ]
        let width = FaultKind.allCases.map(\.rawValue.count).max() ?? 0
        for kind in FaultKind.allCases {
            let padding = String(repeating: " ", count: width - kind.rawValue.count)
            let span = kind.defaultSpan.map { " [span: \(Int($0.inSeconds))s]" } ?? ""
            lines.append("  \(kind.rawValue)\(padding)  \(kind.explanation)\(span)")
        }
        return lines.joined(separator: "\n")
    }

    /// Parses a plan such as `lost-reply@1,3,late-record=0.1:3s`. `none` and the empty text mean no faults.
    ///
    /// Throws an error whose description states the valid form.
    package init(parsing text: String) throws(FaultPlanError) {
        let words = text.split(separator: ",").map { $0.trimmed }.filter { !$0.isEmpty }
        rules = []
        if words == ["none"] { return }
        for word in words {
            // A bare number continues the list of the previous rule: `lost-reply@1,3`.
            if case .numbers = rules.last?.occurrence, word.first?.isNumber == true,
                Int(word.prefix { $0 != ":" }) != nil
            {
                try extendLastRule(with: word)
            } else {
                let rule = try Rule(parsing: word)
                guard !rules.contains(where: { $0.kind == rule.kind }) else {
                    throw .repeatedKind(rule.kind.rawValue)
                }
                rules.append(rule)
            }
        }
    }

    private mutating func extendLastRule(with word: String) throws(FaultPlanError) {
        guard var rule = rules.popLast(), case .numbers(var numbers) = rule.occurrence else { return }
        let (number, span) = word.cut(at: ":")
        numbers.insert(try Rule.number(number, of: rule.kind.rawValue))
        rule.occurrence = .numbers(numbers)
        if let span { rule.span = try Rule.span(span, of: rule.kind) }
        rules.append(rule)
    }
}

extension FaultPlan.Rule {
    fileprivate init(parsing word: String) throws(FaultPlanError) {
        let (head, span) = word.cut(at: ":")
        let name = String(head.prefix { $0 != "=" && $0 != "@" })
        guard let kind = FaultKind(rawValue: name) else { throw .unknownKind(name) }
        let value = String(head.dropFirst(name.count + 1))
        if head.hasPrefix("\(name)=") {
            guard let probability = Double(value), (0...1).contains(probability) else {
                throw .badProbability(kind: name, text: value)
            }
            occurrence = .probability(probability)
        } else if head.hasPrefix("\(name)@") {
            occurrence = .numbers([try Self.number(value, of: name)])
        } else {
            throw .missingOccurrence(name)
        }
        self.kind = kind
        self.span = nil
        if let span { self.span = try Self.span(span, of: kind) }
    }

    fileprivate static func number(_ text: String, of kind: String) throws(FaultPlanError) -> Int {
        guard let number = Int(text), number > 0 else { throw .badNumber(kind: kind, text: text) }
        return number
    }

    fileprivate static func span(_ text: String, of kind: FaultKind) throws(FaultPlanError) -> Duration {
        guard kind.defaultSpan != nil else { throw .unexpectedSpan(kind: kind.rawValue) }
        let units: [(suffix: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60)]
        // At most one day. A longer duration is a typing error and could overflow `Duration`.
        guard let unit = units.first(where: { text.hasSuffix($0.suffix) }),
            let count = Double(text.dropLast(unit.suffix.count)), (0...86_400).contains(count * unit.seconds)
        else { throw .badSpan(kind: kind.rawValue, text: text) }
        return .milliseconds(Int((count * unit.seconds * 1000).rounded()))
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }

    /// Splits at the first separator. The second part is nil if there is no separator.
    fileprivate func cut(at separator: Character) -> (String, String?) {
        guard let index = firstIndex(of: separator) else { return (String(self), nil) }
        return (String(self[..<index]), String(self[self.index(after: index)...]))
    }
}
