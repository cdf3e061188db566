import Logging
package import TaskModel
package import TaskStore
import VerbatimJSON

/// ActionLog leaves a line in the log for each action of a person that leaves none by itself, such as a pause.
package struct ActionLog: Sendable {
    let store: TaskStore
    let storage: StorageMonitor
    let time: any TimeSource
    let logger: Logger

    /// Runs the action with its source, then logs it if it has succeeded and logged nothing.
    ///
    /// `isDone` says whether the value is a success. `path` is that of the request, without its query; `task` is the task
    /// that it names.
    package func run<Value: Sendable>(
        by source: ActionSource, method: String, path: String, task: TaskID?, isDone: (Value) -> Bool,
        _ action: () async throws -> Value
    ) async throws -> Value {
        let value = try await ActionSource.$current.withValue(source, operation: action)
        guard isDone(value), !source.isLogged else { return value }
        let event = DaemonEvent(
            at: time.now(), kind: "action",
            detail: JSONObject([("by", .string(source.name)), ("method", .string(method)), ("path", .string(path))]))
        logger.notice("\(method) \(path) was done by the \(source.name).")
        do throws(TaskStoreError) {
            if let task { try await store.log(event, about: task) } else { try await store.log(event) }
        } catch {
            // The action is done all the same.
            storage.noteFailedWrite(error)
        }
        return value
    }
}
