import ArgumentParser
import Daemon
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Lists providers and checks definitions.
struct ProvidersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "providers",
        abstract: "List providers, or check your own definition.",
        discussion: """
            A provider is a YAML file in providers/ beside pollux.yaml; docs/providers.md has a complete one.

            Examples:
              pollux providers
              pollux providers check my-provider.yaml
            """,
        subcommands: [ProvidersListCommand.self, ProvidersCheckCommand.self],
        defaultSubcommand: ProvidersListCommand.self)
}

/// Lists the providers of the daemon.
struct ProvidersListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List providers, their base URLs and accounts, and whether a token is set.")

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<StatusDocument> {
        let answer = try await client.status()
        return Answer(
            status: answer.status, json: ["providers": answer.json["providers"] ?? []], document: answer.document)
    }

    func lines(for status: StatusDocument, on terminal: Terminal) -> [String] {
        ProviderTable.table(status.providers).lines(on: terminal)
    }
}

/// Checks a definition file.
struct ProvidersCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a definition file, without a daemon.",
        discussion: """
            With --reply, also shows how a recorded reply of the provider is read.

            Examples:
              pollux providers check my-provider.yaml
              pollux providers check my-provider.yaml --reply done.json --endpoint images --explain
            """)

    @Argument(help: "The YAML file.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String

    @Option(help: ArgumentHelp("A recorded reply body.", valueName: "file"), completion: .file())
    var reply: String?

    @Option(help: "The endpoint of the reply; not needed if the file defines only one.")
    var endpoint: String?

    @Option(help: "The reply's HTTP status.")
    var status: Int = 200

    @Flag(help: "Name the rule that decided.")
    var explain = false

    func validate() throws {
        guard (100...599).contains(status) else { throw ValidationError("The status must be from 100 to 599.") }
        if reply == nil && (explain || endpoint != nil) {
            throw ValidationError("--endpoint and --explain need --reply.")
        }
    }

    func run() throws {
        for path in [file, reply].compactMap(\.self) where access(path, F_OK) != 0 {
            throw RefusedInput(path: path, errno: errno)
        }
        let lines: [String]
        do throws(DaemonError) {
            let check = try DefinitionCheck(file: file)
            lines =
                try reply.map { reply throws(DaemonError) in
                    try check.explanation(of: reply, endpoint: endpoint, status: status, withRule: explain)
                } ?? check.summary
        } catch {
            throw RefusedInput(message: error.message)
        }
        try StandardOutput.write(lines.map(\.printable).joined(separator: "\n") + "\n")
    }
}
