import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Stops tracking a task.
struct CancelCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Stop tracking a task.",
        discussion: """
            A queued task is never sent. A provider that has a cancel is asked once to end the task; most have none: \
            there it goes on, and its bill may still come. `pollux reopen` tracks it again.

            Example:
              pollux cancel 019ab0c2
            """)

    @Argument(help: "The id, or any unique beginning of it.")
    var id: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<TaskDocument> { try await client.cancel(id) }

    func lines(for task: TaskDocument, on terminal: Terminal) -> [String] {
        let bill =
            switch (task.remoteID, task.attempts) {
            case (nil, 0): "It was never sent."
            case (nil, _): "What was sent before may still be finished and billed."
            case (_?, _):
                "The provider may still finish and bill it; `pollux reopen \(task.id.printable)` tracks it again."
            }
        return ["\(task.id.printable)  \(task.stateWords). \(bill)"]
    }
}
