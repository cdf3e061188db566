import Logging
import TaskModel

/// The names of the metadata that a JSON log shows as members. A text log has them in its messages.
package enum LogField {
    package static let task = "task"
    package static let endpoint = "endpoint"
    package static let code = "code"
}

extension Logger {
    /// A logger for messages about that task.
    func about(_ task: TrackedTask, code: String? = nil) -> Logger {
        var logger = self
        for (name, value) in task.logFields(code: code) { logger[metadataKey: name] = value }
        return logger
    }
}

extension TrackedTask {
    /// The metadata of a message about it.
    func logFields(code: String? = nil) -> Logger.Metadata {
        var fields: Logger.Metadata = [LogField.task: "\(id)", LogField.endpoint: "\(endpoint)"]
        if let code { fields[LogField.code] = "\(code)" }
        return fields
    }
}
