import ArgumentParser
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Serves an agent over the Model Context Protocol.
struct MCPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp",
        abstract: "Serve an agent on standard input and output (Model Context Protocol).",
        discussion: """
            A host such as Claude, Cursor, VS Code or Codex starts this command. It gives the model the tools generate, wait, \
            get, list, cancel, endpoints and spend. Labels, endpoints and the budget are fixed here, where the model cannot change \
            them. A call that the model repeats joins the task of the first one, so nothing is paid twice.

            Examples:
              pollux mcp --print-config claude
              pollux mcp --label agent=studio --allow flux/images --allow 'suno/*'
            """)

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A label of every task. Equal calls join if their label agent is the same; it is mcp by default. May be repeated.",
            valueName: "name=value"))
    var label: [LabelArgument] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "An endpoint that the model may use, or the beginning of names with * after it; all by default. May be repeated.",
            valueName: "endpoint"))
    var allow: [String] = []

    @Option(
        help: ArgumentHelp(
            "Submit only tasks that this budget of the daemon counts. It needs `unpriced: hold`.", valueName: "name"))
    var budget: String?

    @Option(
        help: ArgumentHelp("Print the settings of a host for these options.", valueName: "claude|cursor|vscode|codex"))
    var printConfig: MCPHost?

    @Option(
        help: ArgumentHelp("The daemon's socket. Else as for the other commands.", valueName: "path"),
        completion: .file())
    var socket: String?

    func run() async throws {
        var labels = try LabelArgument.dictionary(label)
        let environment = ProcessEnvironment.variables
        let path = try SocketLocation(option: socket, environment: environment).path
        if let host = printConfig {
            labels = labels.merging(["agent": host.rawValue]) { stated, _ in stated }
            // Hosts start servers with few environment variables, so the socket is named.
            let arguments =
                ["mcp", "--socket", path.absolute]
                + labels.sorted { $0.key < $1.key }.flatMap { ["--label", "\($0.key)=\($0.value)"] }
                + allow.flatMap { ["--allow", $0] } + (budget.map { ["--budget", $0] } ?? [])
            StandardError.write("For \(host.place):\n")
            try StandardOutput.write(host.settings(program: Self.program, arguments: arguments) + "\n")
            return
        }
        let settings = MCPSettings(labels: labels, allowed: allow, budget: budget)
        StandardError.write("pollux mcp \(Version.current) uses \(path.printable)\n")
        try await LocalAPIClient.with(socketPath: path) { client in
            await MCPServer(tools: MCPTools(client: client, settings: settings)).run(
                BoundedLineReader(descriptor: STDIN_FILENO))
        }
    }

    /// This program, by its whole path if that is known.
    private static var program: String {
        let name = CommandLine.arguments.first ?? "pollux"
        guard let resolved = realpath(name.contains("/") ? name : "/proc/self/exe", nil) else { return name }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

extension String {
    /// The path from the root.
    fileprivate var absolute: String {
        guard !hasPrefix("/"), let directory = getcwd(nil, 0) else { return self }
        defer { free(directory) }
        return String(cString: directory) + "/" + self
    }
}
