import ArgumentParser
import LocalAPIContract

/// Parses a duration on the command line: `90`, `90s`, `2m`, `1h30m`, `1d`.
enum DurationArgument {
    /// Parses a duration. A bare number is seconds.
    static func parse(_ text: String) throws -> Duration {
        guard let span = TimeSpan.read(text) else {
            throw ValidationError("'\(text)' is not a duration. Write seconds, or a duration such as 90s, 2m, 1h30m.")
        }
        return span
    }
}
