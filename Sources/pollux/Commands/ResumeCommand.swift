import ArgumentParser
import LocalAPIContract
import LocalAPIClient

/// Lets submissions go on to an endpoint.
struct ResumeCommand: AsyncParsableCommand {
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

    func run() async throws {
        try await Session.open(options) { session in
            let answer = try await session.client.resume(service: endpoint.service, operation: endpoint.operation)
            let document = answer.document
            try session.show(answer.json) {
                ["\(document.name.printable)  \(document.state.printable), \(document.queued) queued"]
            }
        }
    }
}
