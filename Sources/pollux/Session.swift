import LocalAPIClient
import VerbatimJSON

/// What a command works with: the daemon, and where to print.
struct Session: Sendable {
    let client: LocalAPIClient
    let terminal: Terminal
    private let json: Bool

    /// Opens the socket that the options name for the span of the body.
    static func open(_ options: GlobalOptions, _ body: (Session) async throws -> Void) async throws {
        let environment = ProcessEnvironment.variables
        let location = try SocketLocation(option: options.socket, environment: environment)
        try await LocalAPIClient.with(socketPath: location.path, patience: options.patience) { client in
            try await body(
                Session(
                    client: client, terminal: .ofStandardOutput(environment: environment), json: options.json))
        }
    }

    /// Prints the API's own document where that was asked for, else what the closure makes of it for people.
    func show(_ document: JSONValue, people: () -> [String]) throws {
        if json {
            try StandardOutput.write(
                (terminal.isTerminal ? document.printablePrettyText : document.printableText) + "\n")
        } else {
            let lines = people()
            if !lines.isEmpty { try StandardOutput.write(lines.joined(separator: "\n") + "\n") }
        }
    }

    /// Whether the API's own document was asked for.
    var printsJSON: Bool { json }
}
