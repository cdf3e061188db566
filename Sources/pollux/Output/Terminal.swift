import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The target of rendered output: a terminal with a width and perhaps colour, or a pipe.
struct Terminal: Sendable {
    var isTerminal: Bool
    /// The maximum width of a line; nil for no limit.
    var width: Int?
    var hasColour: Bool
    /// The current time, for ages.
    var now: Date

    static func ofStandardOutput(environment: [String: String]) -> Terminal {
        Terminal(descriptor: STDOUT_FILENO, environment: environment)
    }

    static func ofStandardError(environment: [String: String]) -> Terminal {
        Terminal(descriptor: STDERR_FILENO, environment: environment)
    }

    /// A target without width and colour: a pipe or a file.
    static func plain(now: Date) -> Terminal {
        Terminal(isTerminal: false, width: nil, hasColour: false, now: now)
    }

    /// Whether colour is wanted: not with NO_COLOR (https://no-color.org) and not on a dumb terminal.
    static func wantsColour(_ environment: [String: String]) -> Bool {
        (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    /// The text in that colour, if the terminal has colour.
    func paint(_ text: String, _ tint: Tint?) -> String {
        guard hasColour, let tint, !text.isEmpty else { return text }
        return "\u{1b}[\(tint.rawValue)m\(text)\u{1b}[0m"
    }
}

/// An ANSI colour, which follows the terminal's theme.
enum Tint: String {
    case bold = "1"
    case faint = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case magenta = "35"
    case cyan = "36"

    /// The colour of a task's or an endpoint's state.
    init?(state: String) {
        switch state {
        case "succeeded", "open", "present": self = .green
        case "failed", "missing": self = .red
        case "uncertain", "backing_off", "paused": self = .yellow
        case "running": self = .blue
        case "submitting": self = .cyan
        case "cancelled", "expired": self = .magenta
        default: return nil
        }
    }
}

extension Terminal {
    private init(descriptor: CInt, environment: [String: String]) {
        let isTerminal = isatty(descriptor) == 1
        var size = winsize()
        let knowsSize = isTerminal && ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        self.init(
            isTerminal: isTerminal,
            width: isTerminal ? (knowsSize ? Int(size.ws_col) : 80) : nil,
            hasColour: isTerminal && Self.wantsColour(environment),
            now: Date())
    }
}

/// The environment of this process.
enum ProcessEnvironment {
    static var variables: [String: String] { ProcessInfo.processInfo.environment }
}
