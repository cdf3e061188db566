import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Copies the files of a task's results, and has them fetched where they are not on disk.
struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Copy the files of a task's results into a directory.",
        discussion: """
            Waits until the daemon has fetched what is not on disk, and tries again what was refused or gone. Prints the \
            path of each copy. Exits 1 if a file cannot be had, 75 if the timeout came first. Nothing is paid for.

            Examples:
              pollux fetch 019ab0c2
              pollux fetch 019ab0c2 -o songs --timeout 5m
            """)

    @Argument(help: "The id, or any unique beginning of it.")
    var id: String

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("The directory for the copies; it is made if it is missing.", valueName: "dir"))
    var output = "."

    @Option(
        help: ArgumentHelp("The longest wait, as 90, 90s, 10m.", valueName: "duration"),
        transform: DurationArgument.parse)
    var timeout: Duration?

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        try await Session.open(options) { session in
            let task = try await session.client.task(id)
            let copies = try await ResultFiles(client: session.client, directory: output, timeout: timeout)
                .fetch(of: task, withJSON: session.printsJSON)
            try session.show(copies.task.json) { copies.paths }
            if let status = copies.status { throw status }
        }
    }
}
