import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Opens the dashboard for one browser.
struct OpenCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Let one browser into the dashboard.",
        discussion: """
            Prints an address that works once, for a minute. Unless dashboard.listen is set, the daemon begins to listen on \
            127.0.0.1:8485, or on another port if that one is taken, and listens there until it stops.

            Examples:
              pollux open
              xdg-open "$(pollux open --read-only)"
            """)

    @Flag(help: "A session that can only look.")
    var readOnly = false

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<DashboardLoginDocument> {
        try await client.openDashboard(readOnly: readOnly)
    }

    func lines(for login: DashboardLoginDocument, on terminal: Terminal) -> [String] { [login.url.printable] }
}
