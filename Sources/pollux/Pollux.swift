import ArgumentParser

/// Pollux is the command line. Each command has its own file.
struct Pollux: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pollux",
        abstract: "Polls so that you don't.",
        discussion: """
            Hands image, video and music generation tasks to the provider once, watches each until it ends and keeps \
            the answer. Start the daemon with `pollux serve`, then talk to it with the other commands.

            Examples:
              pollux submit suno/audios -d prompt='rain on a tin roof' --wait
              pollux wait $(pollux submit midjourney/imagine -d prompt=fox)
              pollux list --state running,uncertain
              pollux show 019ab0c2 --response | jq .data

            An ID may be shortened to any unique beginning. Every command that asks the daemon takes --socket, and \
            --json to print the API's own document. Colour obeys NO_COLOR.

            Exit codes: 0 done; 1 the task ended without success; 64 usage; 65 refused input; 66 no such task; \
            69 no daemon; 70 internal error; 75 timed out waiting.
            """,
        version: Version.current,
        groupedSubcommands: [
            CommandGroup(
                name: "Tasks",
                subcommands: [
                    SubmitCommand.self, TrackCommand.self, ListCommand.self, ShowCommand.self, WaitCommand.self,
                    FollowCommand.self, EventsCommand.self, CancelCommand.self, ReopenCommand.self, ResolveCommand.self,
                    RetryCommand.self,
                    PinCommand.self, UnpinCommand.self, DeleteCommand.self,
                ]),
            CommandGroup(
                name: "Endpoints",
                subcommands: [EndpointsCommand.self, ProvidersCommand.self, PauseCommand.self, ResumeCommand.self]),
            CommandGroup(
                name: "Daemon",
                subcommands: [
                    ServeCommand.self, StatusCommand.self, ReloadCommand.self, BackupCommand.self, RestoreCommand.self,
                    PruneCommand.self, GatewayCommand.self,
                    SandboxCommand.self,
                ]),
        ])
}

/// Main parses and runs a command, and turns an error into a message and an exit code.
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
