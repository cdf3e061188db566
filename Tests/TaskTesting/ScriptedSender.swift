import Synchronization
package import TaskEngine
package import TaskModel
package import VerbatimJSON

/// A sender whose outcomes a test decides.
package final class ScriptedSender: NotificationSender {
    /// What was sent, and whether it was taken.
    package struct Delivery: Sendable, Hashable {
        package let id: String
        package let type: String
        package let task: TaskID?
        package let destination: String
        package let isTaken: Bool
        /// The body, if it is not the usual one.
        package var body: JSONValue?
    }

    package typealias Script = @Sendable (TaskNotification, Destination) async -> DeliveryQueue.Outcome

    private let state = Mutex<(script: Script, sent: [Delivery])>(({ _, _ in .delivered }, []))

    package init() {}

    /// Decides about every later delivery.
    package func play(_ script: @escaping Script) { state.withLock { $0.script = script } }

    package var sent: [Delivery] { state.withLock { $0.sent } }

    package func send(
        _ notification: TaskNotification, to destination: Destination, at now: Timestamp
    ) async -> DeliveryQueue.Outcome {
        let outcome = await state.withLock { $0.script }(notification, destination)
        let delivery = Delivery(
            id: notification.id, type: notification.type, task: notification.task?.task.id,
            destination: destination.name.text, isTaken: outcome == .delivered,
            body: notification.body)
        state.withLock { $0.sent.append(delivery) }
        return outcome
    }
}
