import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// GatewayCommand manages the gateway's tokens and shows how programs reach it.
struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "Let programs speak to a provider through Pollux.",
        discussion: """
            Set gateway.listen, and give a program the gateway's base URL and a token of the gateway in place of the \
            provider's. docs/gateway.md has an example for each client.

            Examples:
              pollux gateway token add notebook
              pollux gateway env openai
            """,
        subcommands: [GatewayEnvCommand.self, GatewayTokenCommand.self])
}

/// Prints the environment variables of clients.
struct GatewayEnvCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "env",
        abstract: "Print the lines that point a provider's client to the gateway.",
        discussion: """
            Without --token, the lines take the token from the variable GATEWAY_TOKEN.

            Examples:
              pollux gateway env
              eval "$(pollux gateway env replicate --token "$(pollux gateway token add job)")"
            """)

    @Argument(help: "One provider only.")
    var provider: String?

    @Option(help: ArgumentHelp("The token to write into the lines.", valueName: "token"))
    var token: String?

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<GatewayDocument> {
        let answer = try await client.gateway()
        guard answer.document.url != nil else {
            throw RefusedInput(
                message: "The gateway has no address. Set gateway.listen, as in 127.0.0.1:8484, and restart the daemon."
            )
        }
        if let provider, !answer.document.providers.contains(where: { $0.name == provider }) {
            throw RefusedInput(
                message: "There is no provider \"\(provider.printable)\". `pollux providers` lists all.",
                isMissing: true)
        }
        return answer
    }

    func lines(for gateway: GatewayDocument, on terminal: Terminal) -> [String] {
        gateway.providers.filter { provider == nil || $0.name == provider }.flatMap { provider in
            let lines = provider.environment.sorted { $0.key < $1.key }.map { name, value in
                let value = value.replacing("{token}", with: token ?? "${GATEWAY_TOKEN}")
                return "export \(name)=\(value)".printable
            }
            return ["# \(provider.name): \(provider.url)".printable] + lines
        }
    }
}

/// GatewayTokenCommand makes, lists and removes tokens.
struct GatewayTokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make, list or remove tokens of the gateway.",
        subcommands: [GatewayTokenAddCommand.self, GatewayTokenListCommand.self, GatewayTokenRemoveCommand.self],
        defaultSubcommand: GatewayTokenListCommand.self)
}

/// Makes a token and prints it.
struct GatewayTokenAddCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Make a token and print it, this once.",
        discussion: """
            Pollux keeps only a digest of it. Tasks of programs with this token have the label program=NAME.

            Example:
              pollux gateway token add notebook
            """)

    @Argument(help: "A name for the token: small letters, digits and hyphens.")
    var name: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<GatewayTokenDocument> {
        try await client.addGatewayToken(named: name)
    }

    func lines(for token: GatewayTokenDocument, on terminal: Terminal) -> [String] { [token.token.printable] }
}

/// Lists the names of tokens.
struct GatewayTokenListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the names of tokens and when they were made.")

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<GatewayDocument> { try await client.gateway() }

    func lines(for gateway: GatewayDocument, on terminal: Terminal) -> [String] {
        Table(
            columns: [Table.Column(title: "TOKEN"), Table.Column(title: "CREATED")],
            rows: gateway.tokens.map { [Table.Cell($0.name), Table.Cell($0.createdAt)] }
        ).lines(on: terminal)
    }
}

/// Removes a token.
struct GatewayTokenRemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a token. Programs with it get no more in; their tasks go on.")

    @Argument(help: "The name of the token.")
    var name: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<GatewayDocument> {
        try await client.removeGatewayToken(named: name)
    }

    func lines(for gateway: GatewayDocument, on terminal: Terminal) -> [String] { ["\(name.printable) removed"] }
}
