import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Removes the details of ended tasks.
struct DeleteCommand: TasksCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete the request, results and log of ended tasks.",
        discussion: """
            The id, state, times, labels, remote id and idempotency key stay, so that nothing is paid for again. Deleted \
            data cannot be restored. Open and pinned tasks are rejected.

            Example:
              pollux delete 019ab0c2
            """)

    @Argument(help: ArgumentHelp("Ids, or any unique prefixes of them.", valueName: "id"))
    var ids: [String]

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func change(_ id: String, with client: LocalAPIClient) async throws -> Answer<TaskDocument> {
        try await client.delete(id)
    }

    func words(for task: TaskDocument) -> String { "details deleted" }
}
