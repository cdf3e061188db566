/// Redraws lines on standard error in place.
struct LiveLines {
    private var drawn = 0

    /// Replaces the lines that were drawn before.
    mutating func draw(_ lines: [String]) {
        StandardError.write(clearing + lines.map { $0 + "\n" }.joined())
        drawn = lines.count
    }

    /// Moves to the first line and clears below it, in one write, so that nothing flickers.
    private var clearing: String { drawn == 0 ? "" : "\u{1b}[\(drawn)A\u{1b}[J" }
}
