import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Lets submissions go on to an endpoint.
struct ResumeCommand: EndpointCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Let submissions to an endpoint go on.",
        discussion: """
            Ends a pause, be it a person's or one that the daemon made because of the provider's answer. What is \
            queued goes out at the usual rate.

            Example:
              pollux resume suno/audios
            """)

    @Argument(help: "Which, as service/operation.")
    var endpoint: EndpointArgument

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<EndpointDocument> {
        try await client.resume(service: endpoint.service, operation: endpoint.operation)
    }
}
