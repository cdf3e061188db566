import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Stops submissions to an endpoint.
struct PauseCommand: EndpointCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Stop submissions to an endpoint.",
        discussion: """
            Queued tasks wait and new ones are still accepted. Tasks that the provider has are tracked as before. A pause \
            survives a restart.

            Example:
              pollux pause suno/audios
            """)

    @Argument(help: "The endpoint, as service/operation.")
    var endpoint: EndpointArgument

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<EndpointDocument> {
        try await client.pause(service: endpoint.service, operation: endpoint.operation)
    }
}
