import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Reloads the daemon's settings.
struct ReloadCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Reload the daemon's settings.",
        discussion: """
            The daemon reads its settings file, the definitions of providers and the token files, and checks them. It \
            applies all of them or, if one is invalid or needs a restart, none. Tasks continue. SIGHUP does the same.

            Example:
              pollux reload
            """)

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<ReloadDocument> { try await client.reload() }

    func lines(for reload: ReloadDocument, on terminal: Terminal) -> [String] {
        let changed =
            reload.changed.isEmpty ? ["Nothing has changed."] : reload.changed.map { "changed: \($0)".printable }
        return changed + reload.warnings.map { terminal.paint($0.printable, .yellow) }
    }
}
