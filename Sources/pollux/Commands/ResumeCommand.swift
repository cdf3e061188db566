import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Resumes submissions to an endpoint.
struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Resume submissions to an endpoint.",
        discussion: """
            Ends a pause, whether a person or the daemon started it, and the pauses of all accounts of its provider. \
            --account ends the pause of one account. Queued tasks are sent at the usual rate. --all ends every pause, \
            and the hold of pollux serve --hold.

            Examples:
              pollux resume suno/audios
              pollux resume suno/audios --account spare
              pollux resume --all
            """)

    @Argument(help: "The endpoint, as service/operation.")
    var endpoint: EndpointArgument?

    @Option(help: ArgumentHelp("Only this account of its provider.", valueName: "name"))
    var account: String?

    @Flag(help: "Resume all endpoints.")
    var all = false

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws {
        guard (endpoint == nil) == all else { throw ValidationError("Give an endpoint, or --all.") }
        guard account == nil || !all else { throw ValidationError("Give --account or --all, not both.") }
    }

    func run() async throws {
        try await Session.open(options) { session in
            guard let endpoint else {
                return try session.show(try await session.client.resumeAll().json) { ["All submissions continue."] }
            }
            let reply = try await session.client.resume(
                service: endpoint.service, operation: endpoint.operation, account: account)
            try session.show(reply.json) { endpointLines(for: reply.document) }
        }
    }
}
