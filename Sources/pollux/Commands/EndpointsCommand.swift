import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Lists endpoints, or shows one.
struct EndpointsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints",
        abstract: "List endpoints, or show one: load, speed, blocks, and an example.",
        discussion: """
            P50 and P90 are the learned durations of half and nine tenths of the tasks; ~ marks the definition's value \
            before anything is learned. With a name, shows everything about that endpoint and an example command.

            Examples:
              pollux endpoints
              pollux endpoints kling/videos
            """)

    @Argument(help: ArgumentHelp("The endpoint, as service/operation.", valueName: "endpoint"))
    var endpoint: EndpointArgument?

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        try await Session.open(options) { session in
            if let endpoint {
                let answer = try await session.client.endpoint(
                    service: endpoint.service, operation: endpoint.operation)
                return try session.show(answer.json) {
                    EndpointCard(endpoint: answer.document, now: session.terminal.now).lines(on: session.terminal)
                }
            }
            let answer = try await session.client.endpoints()
            try session.show(answer.json) {
                EndpointTable.table(answer.document.endpoints, now: session.terminal.now).lines(on: session.terminal)
            }
        }
    }
}
