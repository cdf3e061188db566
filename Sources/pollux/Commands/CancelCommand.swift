import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Stops tracking a task.
struct CancelCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Stop tracking a task.",
        discussion: """
            A queued task is never sent. If the provider supports cancelling, it is asked once; most do not, so the \
            task continues there and may be billed. `pollux reopen` tracks it again.

            Example:
              pollux cancel 019ab0c2
            """)

    @Argument(help: "The id, or any unique prefix of it.")
    var id: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<TaskDocument> { try await client.cancel(id) }

    func lines(for task: TaskDocument, on terminal: Terminal) -> [String] {
        let bill =
            switch (task.remoteID, task.attempts) {
            case (nil, 0): "It was never sent."
            case (nil, _): "An earlier attempt may still finish and be billed."
            case (_?, _):
                "The provider may still finish and bill it; `pollux reopen \(task.id.printable)` tracks it again."
            }
        return ["\(task.id.printable)  \(task.stateWords). \(bill)"]
    }
}
