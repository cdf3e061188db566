import LocalAPIContract
package import TaskEngine
import TaskModel
package import VerbatimJSON

/// NotificationBody is what a receiver of a notification reads: `{type, timestamp, data: {task}}`, or the event's own
/// details as `data` if it belongs to no task.
package enum NotificationBody {
    /// The body, with these parts of the task besides its facts.
    package static func json(of notification: TaskNotification, including parts: Set<Destination.Part>) -> JSONValue {
        var data = notification.detail ?? JSONObject()
        if let stored = notification.task {
            let document = TaskDocument(stored, forecast: .none, results: stored.payload.results ?? [])
            var task = document.json.object ?? JSONObject()
            for part in Destination.Part.allCases where !parts.contains(part) { task[part.rawValue] = nil }
            data["task"] = .object(task)
        }
        return [
            "type": .string(notification.type), "timestamp": .string(notification.at.rfc3339), "data": .object(data),
        ]
    }
}
