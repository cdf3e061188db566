/// Lines on standard error that are drawn over their last version.
struct LiveLines {
    private var drawn = 0

    /// Puts the lines in place of those drawn before.
    mutating func draw(_ lines: [String]) {
        StandardError.write(clearing + lines.map { $0 + "\n" }.joined())
        drawn = lines.count
    }

    /// Up to the first line, then everything below away: one write, so that nothing flickers.
    private var clearing: String { drawn == 0 ? "" : "\u{1b}[\(drawn)A\u{1b}[J" }
}
