import LocalAPIContract

/// CopyProgress shows on standard error how far the copies of files are. It draws on a terminal only.
struct CopyProgress {
    private let terminal: Terminal
    private var lines = LiveLines()
    private var drawnAt: ContinuousClock.Instant?

    /// How often it is drawn at most.
    private static let pause = Duration.milliseconds(100)

    init(on terminal: Terminal) { self.terminal = terminal }

    /// Shows that the daemon fetches files.
    mutating func wait(for count: Int) {
        draw("waiting for \(count) file\(count == 1 ? "" : "s")", isLast: false)
    }

    /// Shows how much of a file is copied.
    mutating func show(_ name: String, _ copied: Int, of total: Int?) {
        draw(Self.line(name, copied, of: total, width: terminal.width ?? 80), isLast: copied == total)
    }

    /// Removes what was drawn.
    mutating func end() {
        if drawnAt != nil { lines.draw([]) }
    }

    private mutating func draw(_ line: String, isLast: Bool) {
        guard terminal.isTerminal else { return }
        let now = ContinuousClock.now
        if !isLast, let drawnAt, now - drawnAt < Self.pause { return }
        drawnAt = now
        lines.draw([line])
    }

    /// As `a.png  [#####     ]  50 %  1.0 MB of 2.0 MB`, never longer than the terminal is wide.
    static func line(_ name: String, _ copied: Int, of total: Int?, width: Int) -> String {
        guard let total, total > 0 else { return String("\(name)  \(ByteText.size(copied))".prefix(width)) }
        let share = min(1, Double(copied) / Double(total))
        let bar = String(repeating: "#", count: Int(share * 20))
        let amount = "\(ByteText.size(copied)) of \(ByteText.size(total))"
        let state = "[\(bar)\(String(repeating: " ", count: 20 - bar.count))] \(Int(share * 100)) %  \(amount)"
        let room = width - state.count - 3
        return room > 8 ? "\(name.prefix(room))  \(state)" : String(state.prefix(width - 1))
    }
}
