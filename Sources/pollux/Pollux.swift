import ArgumentParser

/// The command line. Each command has its own file.
struct Pollux: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pollux",
        abstract: "Polls so that you don't.",
        discussion: """
            Submits image, video and music generation tasks to the provider once, tracks each until it ends and stores \
            the result. Start the daemon with `pollux serve`, then use the other commands.

            Examples:
              pollux submit suno/audios -d prompt='rain on a tin roof' --wait
              pollux wait $(pollux submit midjourney/imagine -d prompt=fox)
              pollux list --state running,uncertain
              pollux show 019ab0c2 --response | jq .data

            An ID may be shortened to any unique prefix. Every command that uses the daemon accepts --socket, and \
            --json to print the API's own document. NO_COLOR turns colour off.

            Exit codes: 0 done; 1 the task ended without success; 64 usage; 65 rejected input; 66 no such task, \
            destination or file; 69 no daemon; 70 internal error; 75 timed out waiting.
            """,
        version: Version.current,
        groupedSubcommands: [
            CommandGroup(
                name: "Tasks",
                subcommands: [
                    SubmitCommand.self, TrackCommand.self, ListCommand.self, ShowCommand.self, WaitCommand.self,
                    FetchCommand.self, FollowCommand.self, EventsCommand.self, CancelCommand.self, ReopenCommand.self,
                    ResolveCommand.self,
                    RetryCommand.self, ApproveCommand.self,
                    PinCommand.self, UnpinCommand.self, DeleteCommand.self,
                ]),
            CommandGroup(
                name: "Endpoints",
                subcommands: [EndpointsCommand.self, ProvidersCommand.self, PauseCommand.self, ResumeCommand.self]),
            CommandGroup(
                name: "Daemon",
                subcommands: [
                    ServeCommand.self, StatusCommand.self, OpenCommand.self, DoctorCommand.self, ReloadCommand.self,
                    BackupCommand.self, ExportCommand.self,
                    RestoreCommand.self, ReconcileCommand.self, PruneCommand.self, SpendCommand.self,
                    BudgetCommand.self, NotificationsCommand.self,
                    GatewayCommand.self, MCPCommand.self,
                    SandboxCommand.self,
                ]),
        ])
}

/// Parses and runs a command, and converts an error into a message and an exit code.
@main enum Main {
    static func main() async {
        do {
            let arguments = LeadingOptions.moved(Array(CommandLine.arguments.dropFirst()))
            try CommandName.check(arguments)
            var command = try Pollux.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            ExitReport(of: error).leave()
        }
    }
}
