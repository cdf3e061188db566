import FoundationEssentials
package import Logging
import TaskModel
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Writes one plain line per message to standard error: time, level, text.
package struct PlainLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]

    package init(level: Logger.Level) {
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let extras = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let tail =
            extras.isEmpty ? "" : " " + extras.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: " ")
        // What a provider says may hold anything; a line stays one line, and a terminal is not steered by it.
        let text = String(
            (event.message.description + tail).unicodeScalars.map { scalar in
                scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? " " : Character(scalar)
            })
        let time = Timestamp(Date()).rfc3339
        let bytes = Array("\(time) \(event.level.rawValue.uppercased()) \(text)\n".utf8)
        // One write per line, so that lines of several threads do not mix.
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
