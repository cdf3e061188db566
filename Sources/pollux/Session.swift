import LocalAPIClient
import VerbatimJSON

/// The client and the terminal of one command.
struct Session: Sendable {
    let client: LocalAPIClient
    let terminal: Terminal
    private let json: Bool

    /// Runs the body with a client for the socket of the options.
    static func open(_ options: GlobalOptions, _ body: (Session) async throws -> Void) async throws {
        let environment = ProcessEnvironment.variables
        let location = try SocketLocation(option: options.socket, environment: environment)
        try await LocalAPIClient.with(socketPath: location.path, patience: options.patience) { client in
            try await body(
                Session(
                    client: client, terminal: .ofStandardOutput(environment: environment), json: options.json))
        }
    }

    /// Prints the API's document with `--json`, else the lines of the closure.
    func show(_ document: JSONValue, people: () -> [String]) throws {
        if json {
            try StandardOutput.write(
                (terminal.isTerminal ? document.printablePrettyText : document.printableText) + "\n")
        } else {
            let lines = people()
            if !lines.isEmpty { try StandardOutput.write(lines.joined(separator: "\n") + "\n") }
        }
    }

    /// Whether `--json` was given.
    var printsJSON: Bool { json }
}
