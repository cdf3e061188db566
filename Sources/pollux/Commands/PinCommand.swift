import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Keeps the details of tasks from removal.
struct PinCommand: TasksCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Keep the details of tasks from removal.",
        discussion: """
            A pinned task keeps its request, results and log, however old it is. `pollux unpin` ends that.

            Example:
              pollux pin 019ab0c2 019ab0d7
            """)

    @Argument(help: ArgumentHelp("Ids, or any unique prefixes of them.", valueName: "id"))
    var ids: [String]

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func change(_ id: String, with client: LocalAPIClient) async throws -> Answer<TaskDocument> {
        try await client.pin(id)
    }

    func words(for task: TaskDocument) -> String { "pinned" }
}

/// Lets the details of tasks be removed again.
struct UnpinCommand: TasksCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin",
        abstract: "Let the details of pinned tasks be removed again.",
        discussion: """
            Example:
              pollux unpin 019ab0c2
            """)

    @Argument(help: ArgumentHelp("Ids, or any unique prefixes of them.", valueName: "id"))
    var ids: [String]

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func change(_ id: String, with client: LocalAPIClient) async throws -> Answer<TaskDocument> {
        try await client.unpin(id)
    }

    func words(for task: TaskDocument) -> String { "not pinned" }
}
