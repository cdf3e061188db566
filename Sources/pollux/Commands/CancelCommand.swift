import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Stops tracking a task.
struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Stop tracking a task.",
        discussion: """
            A queued task is never sent. The provider has no cancel: a task that it already has goes on there, and \
            its bill may still come. `pollux reopen` tracks it again.

            Example:
              pollux cancel 019ab0c2
            """)

    @Argument(help: "The id, or any unique beginning of it.")
    var id: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        try await Session.open(options) { session in
            let answer = try await session.client.cancel(id)
            let task = answer.document
            let bill =
                task.remoteID == nil && task.attempts == 0
                ? "It was never sent."
                : "The provider may still finish and bill it; `pollux reopen \(task.id.printable)` tracks it again."
            try session.show(answer.json) { ["\(task.id.printable)  \(task.stateWords). \(bill)"] }
        }
    }
}
