import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Stops submissions to an endpoint.
struct PauseCommand: EndpointCommand {
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

    func reply(from client: LocalAPIClient) async throws -> Answer<EndpointDocument> {
        try await client.pause(service: endpoint.service, operation: endpoint.operation)
    }
}
