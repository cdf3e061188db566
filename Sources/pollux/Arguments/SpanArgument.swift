import ArgumentParser

/// A span of time as people write it: `90`, `90s`, `2m`, `1h30m`, `1d`.
enum SpanArgument {
    /// Reads a span; a bare number is seconds.
    static func parse(_ text: String) throws -> Duration {
        guard let span = read(text) else {
            throw ValidationError("'\(text)' is no span of time. Write seconds, or a span such as 90s, 2m, 1h30m.")
        }
        return span
    }

    /// The same; nil for anything else.
    static func read(_ text: some StringProtocol) -> Duration? {
        if let seconds = Int64(text), (0...maxSeconds).contains(seconds) { return .seconds(seconds) }
        var total: Int64 = 0
        var digits = ""
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
                continue
            }
            guard let unit = units[character], let count = Int64(digits), count <= maxSeconds / unit else { return nil }
            total += count * unit
            digits = ""
        }
        return digits.isEmpty && !text.isEmpty && total <= maxSeconds ? .seconds(total) : nil
    }

    private static let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
    /// A hundred years: whoever means longer means never.
    private static let maxSeconds: Int64 = 100 * 366 * 86_400
}
