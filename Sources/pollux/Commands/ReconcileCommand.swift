import ArgumentParser
import FoundationEssentials
import LocalAPIClient
import LocalAPIContract

/// Compares the providers' lists with the tasks.
struct ReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile",
        abstract: "Compare the providers' lists with the tasks.",
        discussion: """
            Reads the providers' own lists and shows orphans (there, not here), ghosts (here, not there) and \
            records whose cost is not that of the ledger. Only status queries are sent, so nothing is paid. --adopt tracks \
            the orphans. Providers without a list are named. Exit code 1: lists and tasks differ, or a list could not \
            be read to its end.

            Examples:
              pollux reconcile
              pollux reconcile --since 7d --provider replicate
              pollux reconcile --adopt
            """)

    @Option(
        help: ArgumentHelp("Compare from then on: RFC 3339, or 7d for a week ago; else 24h.", valueName: "time"),
        transform: TimeArgument.past)
    var since: TimeArgument?

    @Option(help: ArgumentHelp("Compare only this provider.", valueName: "name"))
    var provider: String?

    @Flag(help: "Track the records that no task has.")
    var adopt = false

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        var document = ReconcileRequestDocument()
        document.since = since?.text(now: Date())
        document.provider = provider
        document.adopt = adopt
        try await Session.open(options) { [document] session in
            let reply = try await session.client.reconcile(document)
            try session.show(reply.json) { ReconcileTable(reply.document).lines(on: session.terminal) }
            guard reply.document.agrees, reply.document.complete else { throw ExitStatus.unsuccessful }
        }
    }
}
