import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Removes what is older than the retention allows.
struct PruneCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove now what is older than the retention settings allow.",
        discussion: """
            The daemon does this automatically every few minutes. --dry-run only counts. Free space in the \
            database is used again; the file does not become smaller.

            Examples:
              pollux prune --dry-run
              pollux prune
            """)

    @Flag(help: "Only show what would be removed.")
    var dryRun = false

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<PruneDocument> {
        try await client.prune(dryRun: dryRun)
    }

    func lines(for prune: PruneDocument, on terminal: Terminal) -> [String] {
        guard prune.configured else {
            return [
                "No retention is set, so nothing is removed. Set retention.ended in pollux.yaml, for example to 90d, and run `pollux reload`."
            ]
        }
        var list = KeyValueList()
        list.add("tasks", "\(prune.tasks), with all details")
        list.add("responses", "\(prune.responses) more")
        list.add("events", String(prune.events))
        list.add("keys", String(prune.idempotencyKeys))
        list.add("stubs", "\(prune.stubs), tasks without details")
        list.add("ledger", "\(prune.ledger) lines")
        list.add("files", "\(prune.files), \(prune.fileBytes) bytes")
        list.add("texts", "\(prune.bytes) bytes")
        let rest = "The daemon is stopping. The rest is removed after its next start."
        return [prune.dryRun ? "Would be removed:" : "Removed:"] + list.lines(on: terminal)
            + (prune.complete ? [] : [rest])
    }
}
