import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Resumes submissions to an endpoint.
struct ResumeCommand: EndpointCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Resume submissions to an endpoint.",
        discussion: """
            Ends a pause, whether a person or the daemon started it. Queued tasks are sent at the usual rate.

            Example:
              pollux resume suno/audios
            """)

    @Argument(help: "The endpoint, as service/operation.")
    var endpoint: EndpointArgument

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<EndpointDocument> {
        try await client.resume(service: endpoint.service, operation: endpoint.operation)
    }
}
