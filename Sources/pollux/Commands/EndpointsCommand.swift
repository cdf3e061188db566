import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Lists endpoints, or shows one.
struct EndpointsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints",
        abstract: "List endpoints, or show one: how busy, how fast, what holds it up, and how to use it.",
        discussion: """
            P50 and P90 are how long half and nine tenths of the tasks take, as learned here; with ~ before anything \
            was learned. With a name, everything that is known of that endpoint and a command to begin with.

            Examples:
              pollux endpoints
              pollux endpoints kling/videos
            """)

    @Argument(help: ArgumentHelp("Only this one, as service/operation.", valueName: "endpoint"))
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
