import ArgumentParser
import LocalAPIContract

/// DurationArgument is a span of time on the command line: `90`, `90s`, `2m`, `1h30m`, `1d`.
enum DurationArgument {
    /// Reads a span; a bare number is seconds.
    static func parse(_ text: String) throws -> Duration {
        guard let span = TimeSpan.read(text) else {
            throw ValidationError("'\(text)' is no span of time. Write seconds, or a span such as 90s, 2m, 1h30m.")
        }
        return span
    }
}
