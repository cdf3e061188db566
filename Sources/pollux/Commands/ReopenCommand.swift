import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Tracks a cancelled, expired or lost task again.
struct ReopenCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "reopen",
        abstract: "Track a cancelled, expired or lost task again.",
        discussion: """
            Works for tasks that the provider has accepted, also if their record was found later. Only status queries are
            sent, so nothing is paid.

            Example:
              pollux reopen 019ab0c2
            """)

    @Argument(help: "The id, or any unique prefix of it.")
    var id: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<TaskDocument> { try await client.reopen(id) }
}
