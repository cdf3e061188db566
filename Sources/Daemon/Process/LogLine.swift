import Logging
import TaskModel
import VerbatimJSON

/// How the daemon writes its log.
package enum LogFormat: String, Sendable {
    /// Time, level and message.
    case text
    /// An object with the same, and with the task, the endpoint and the code of the message.
    case json
}

/// One line of the log.
package struct LogLine: Sendable {
    let at: Timestamp
    let level: Logger.Level
    var message: String
    /// The id of the task that the message is about.
    var task: String?
    var endpoint: String?
    /// The code of the failure.
    var code: String?

    init(at: Timestamp, _ level: Logger.Level, _ message: String) {
        self.at = at
        self.level = level
        self.message = message
    }

    /// The line in that format, with its line break. The message names the task in both.
    func bytes(_ format: LogFormat) -> [UInt8] {
        guard format == .json else {
            return Array("\(at.rfc3339) \(level.rawValue.uppercased()) \(message)\n".utf8)
        }
        var line = JSONObject([
            ("ts", .string(at.rfc3339)), ("level", .string(level.rawValue)), ("msg", .string(message)),
        ])
        for (name, value) in [("task", task), ("endpoint", endpoint), ("code", code)] {
            if let value { line[name] = .string(value) }
        }
        return Array(JSONValue.object(line).text.utf8) + [UInt8(ascii: "\n")]
    }
}
