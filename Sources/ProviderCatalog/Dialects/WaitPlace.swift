import TaskModel
import VerbatimJSON

/// Where a reply says how long to wait: in a header field, in its body, or in both.
struct WaitPlace: Sendable, Hashable {
    /// The unit of a bare number.
    enum Unit: String, Sendable, CaseIterable { case seconds, milliseconds }

    /// The header field in lower case; nil if there is none.
    var header: String?
    /// The pointers into the body. The first with a duration counts.
    var at: [JSONPointer] = []
    var unit: Unit = .seconds

    /// The longest duration in the reply; nil if there is none.
    func wait(in reply: UpstreamReply, _ body: JSONValue?) -> Duration? {
        let inHeader = header.flatMap { reply.headers[$0] }.flatMap(span)
        let inBody = at.lazy.flatMap { body?.values(at: $0) ?? [] }.compactMap { value -> Duration? in
            switch value {
            case .number(let number): span(number.digits)
            case .string(let text): span(text)
            case .null, .bool, .array, .object: nil
            }
        }.first
        return [inHeader, inBody].compactMap(\.self).max()
    }

    /// A bare number, or numbers with units as Go and Protocol Buffers write them: `8.4s`, `1m30s`, `250ms`.
    private func span(_ text: String) -> Duration? {
        var rest = text.filter { !$0.isWhitespace }[...]
        guard !rest.isEmpty else { return nil }
        if let number = Double(rest) { return Self.span(unit == .seconds ? number : number / 1_000) }
        var seconds = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isNumber || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let name = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(name.count)
            guard let number = Double(digits), let factor = Self.units[name.lowercased()] else { return nil }
            seconds += number * factor
        }
        return Self.span(seconds)
    }

    /// At most a day, the longest pause of any endpoint.
    private static func span(_ seconds: Double) -> Duration? {
        seconds.isFinite && seconds >= 0 ? .seconds(rounding: min(seconds, 86_400)) : nil
    }

    private static let units = ["h": 3_600, "m": 60, "s": 1, "ms": 0.001]
}
