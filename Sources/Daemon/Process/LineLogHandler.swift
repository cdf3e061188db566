import FoundationEssentials
package import Logging
package import ProviderCatalog
import TaskEngine
import TaskModel

/// LineLogHandler writes one line per message.
package struct LineLogHandler: LogHandler {
    /// The level of the settings, until another one is set.
    package var logLevel: Logger.Level {
        get { own ?? level }
        set { own = newValue }
    }
    private var own: Logger.Level?
    @Current private var level: Logger.Level
    package var metadata: Logger.Metadata = [:]

    private let queue: LogQueue

    package init(level: Current<Logger.Level>, to queue: LogQueue) {
        _level = level
        self.queue = queue
    }

    package subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var extras = metadata.merging(event.metadata ?? [:]) { _, new in new }
        var line = LogLine(at: Timestamp(Date()), event.level, "")
        line.task = extras.removeValue(forKey: LogField.task)?.description
        line.endpoint = extras.removeValue(forKey: LogField.endpoint)?.description
        line.code = extras.removeValue(forKey: LogField.code)?.description
        let tail =
            extras.isEmpty ? "" : " " + extras.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: " ")
        // A provider's text may hold control characters. Replacing them keeps a message on one line and protects
        // terminals.
        line.message = String(
            (event.message.description + tail).unicodeScalars.map { scalar in
                scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? " " : Character(scalar)
            })
        queue.put(line)
    }
}
