import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// DaemonCommand asks the daemon one question and prints the reply: as JSON with `--json`, else as lines for people.
protocol DaemonCommand: AsyncParsableCommand {
    associatedtype Document: Sendable

    var options: GlobalOptions { get }

    func reply(from client: LocalAPIClient) async throws -> Answer<Document>

    func lines(for document: Document, on terminal: Terminal) -> [String]
}

extension DaemonCommand {
    func run() async throws {
        try await Session.open(options) { session in
            let reply = try await reply(from: session.client)
            try session.show(reply.json) { lines(for: reply.document, on: session.terminal) }
        }
    }
}

/// TaskCommand changes one task and prints its id with its new state.
protocol TaskCommand: DaemonCommand where Document == TaskDocument {}

extension TaskCommand {
    func lines(for task: TaskDocument, on terminal: Terminal) -> [String] {
        ["\(task.id.printable)  \(task.stateWords)"]
    }
}

/// EndpointCommand changes one endpoint and prints its name with its new state.
protocol EndpointCommand: DaemonCommand where Document == EndpointDocument {}

extension EndpointCommand {
    func lines(for endpoint: EndpointDocument, on terminal: Terminal) -> [String] { endpointLines(for: endpoint) }
}

/// An endpoint with its state, in one line.
func endpointLines(for endpoint: EndpointDocument) -> [String] {
    ["\(endpoint.name.printable)  \(endpoint.state.printable), \(endpoint.queued) queued"]
}
