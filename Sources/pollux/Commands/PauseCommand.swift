import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Stops submissions to an endpoint.
struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Stop submissions to an endpoint.",
        discussion: """
            Its queued tasks wait, and new ones are still taken; those that the provider has are tracked as before. \
            A pause outlives a restart.

            Example:
              pollux pause suno/audios
            """)

    @Argument(help: "Which, as service/operation.")
    var endpoint: EndpointArgument

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        try await Session.open(options) { session in
            let answer = try await session.client.pause(service: endpoint.service, operation: endpoint.operation)
            let document = answer.document
            try session.show(answer.json) {
                ["\(document.name.printable)  \(document.state.printable), \(document.queued) queued"]
            }
        }
    }
}
