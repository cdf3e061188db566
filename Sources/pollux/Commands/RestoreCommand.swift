import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Shows or accepts a database that is an older copy.
struct RestoreCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Show what a restored database may have paid for already, and accept it.",
        discussion: """
            A database that was restored from a copy may contain tasks that were sent after the copy was made. Pollux detects \
            that, sends nothing paid, and looks for those tasks at the provider. Settle single ones with pollux resolve. \
            --accept sends all others: it pays a second time for those that the provider had accepted and does not list.

            When another server of PostgreSQL takes over, the machines find out from their journals what it lacks, and this mode \
            ends by itself. --without gives up the journal of a machine that cannot come back. Its queued tasks may have been \
            sent, so they are looked up before --accept.

            Examples:
              pollux restore
              pollux restore --since 2026-11-28T06:00:00Z
              pollux restore --accept
              pollux restore --without host-b
            """)

    @Flag(help: "Send the tasks that were not found, and continue.")
    var accept = false

    @Option(help: ArgumentHelp("Look for tasks that were sent since this time.", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Do not wait for the journal of this machine; repeatable.", valueName: "machine"))
    var without: [String] = []

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws {
        guard [accept, since != nil, !without.isEmpty].count(where: \.self) <= 1 else {
            throw ValidationError("Give one of --accept, --since and --without.")
        }
    }

    func reply(from client: LocalAPIClient) async throws -> Answer<RestoreDocument> {
        if accept { return try await client.restore(.accept) }
        if let since { return try await client.restore(.since(since)) }
        if !without.isEmpty { return try await client.restore(.without(without)) }
        return try await client.restore()
    }

    func lines(for restore: RestoreDocument, on terminal: Terminal) -> [String] {
        guard restore.restored else {
            let sent = restore.resubmitted.map { "Accepted: \($0) task(s) are sent again." }
            return [sent ?? "The database is not an older copy; there is nothing to decide."]
        }
        var list = KeyValueList()
        list.add("reason", restore.reason)
        list.add("noticed", restore.noticedAt)
        if let awaited = restore.awaited {
            return waiting(for: awaited, of: restore, list, on: terminal)
        }
        list.add("sent since", restore.since.map { "perhaps, since \($0)" })
        list.add("queued", "\(restore.queued), not sent until the restore is accepted")
        list.add("not found", "\(restore.uncertain.count) task(s) that may have been sent", .yellow)
        let tasks = restore.uncertain.map { task in
            "  \(task.id.printable)  \(task.endpoint.printable)"
                + (task.possible.isEmpty ? "" : "  perhaps \(task.possible.printable)")
        }
        let records = restore.unowned.map { record in
            "  \(record.service.printable)  \(record.remoteID.printable)  \((record.createdAt ?? "").printable)"
                + (record.account == "default" ? "" : "  account \(record.account.printable)")
                + (record.prompt.map { "  \($0.printable)" } ?? "")
        }
        var unowned =
            records.isEmpty
            ? []
            : [
                "The providers list these records, which no task here owns. `pollux resolve ID --adopt RECORD` gives one to a "
                    + "task above, `pollux track ENDPOINT RECORD` fetches the result of another; both with --account NAME:"
            ]
        unowned += records
        if let unread = restore.unread, !unread.isEmpty {
            unowned.append("The lists of these services could not be read completely: \(unread.printable)")
        }
        return [terminal.paint("The database is an older copy. Nothing paid is sent.", .bold)]
            + list.lines(on: terminal) + tasks + unowned
            + ["`pollux resolve ID` settles one of them, `pollux restore --accept` sends all that are left."]
    }

    /// The text while the machines compare their journals.
    private func waiting(
        for processes: [String], of restore: RestoreDocument, _ facts: KeyValueList, on terminal: Terminal
    ) -> [String] {
        var list = facts
        list.add("queued", "\(restore.queued), not sent before all journals are compared")
        let title = "Another server of PostgreSQL has taken over. Nothing paid is sent."
        let end =
            processes.isEmpty
            ? ["All journals were compared. Paid requests go on within seconds."]
            : ["These have to compare their journals of attempts with the database:"]
                + processes.map { "  \($0.printable)" }
                + ["`pollux restore --without MACHINE` gives up the journal of one that cannot come back."]
        return [terminal.paint(title, .bold)] + list.lines(on: terminal) + end
    }
}
