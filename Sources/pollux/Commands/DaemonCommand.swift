import ArgumentParser
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

/// Sends one request to the daemon and prints the reply: as JSON with `--json`, else as lines for people.
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

/// Changes one task and prints its id with its new state.
protocol TaskCommand: DaemonCommand where Document == TaskDocument {}

extension TaskCommand {
    func lines(for task: TaskDocument, on terminal: Terminal) -> [String] {
        ["\(task.id.printable)  \(task.stateWords)"]
    }
}

/// Changes several tasks and prints a line for each.
protocol TasksCommand: AsyncParsableCommand {
    var ids: [String] { get }
    var options: GlobalOptions { get }

    func change(_ id: String, with client: LocalAPIClient) async throws -> Answer<TaskDocument>

    /// The text about a changed task.
    func words(for task: TaskDocument) -> String
}

extension TasksCommand {
    func run() async throws {
        try await Session.open(options) { session in
            // All are looked up first, so that a mistyped id changes nothing.
            var whole: [String] = []
            for id in ids { whole.append(try await session.client.task(id).document.id) }
            var replies: [Answer<TaskDocument>] = []
            for id in whole { replies.append(try await change(id, with: session.client)) }
            let json: JSONValue =
                replies.count == 1 ? replies[0].json : ["tasks": .array(replies.map(\.json)), "next_cursor": nil]
            try session.show(json) {
                replies.map { "\($0.document.id.printable)  \($0.document.stateWords), \(words(for: $0.document))" }
            }
        }
    }
}

/// Changes one endpoint and prints its name with its new state.
protocol EndpointCommand: DaemonCommand where Document == EndpointDocument {}

extension EndpointCommand {
    func lines(for endpoint: EndpointDocument, on terminal: Terminal) -> [String] { endpointLines(for: endpoint) }
}

/// An endpoint with its state, in one line.
func endpointLines(for endpoint: EndpointDocument) -> [String] {
    ["\(endpoint.name.printable)  \(endpoint.state.printable), \(endpoint.queued) queued"]
}
