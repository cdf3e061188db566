/// Reads a duration as people write it: `90`, `90s`, `2m`, `1h30m`, `1d`.
package enum TimeSpan {
    /// A bare number is seconds; nil for anything else.
    package static func read(_ text: some StringProtocol) -> Duration? {
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

    /// The duration in a time such as `+2h`, which counts from when the document is read; nil for anything else.
    package static func fromNow(_ text: String) -> Duration? {
        guard text.first == "+", text.dropFirst().first != "+" else { return nil }
        return read(text.dropFirst())
    }

    private static let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
    /// The limit is a hundred years, because anything longer is a mistake.
    private static let maxSeconds: Int64 = 100 * 366 * 86_400
}
