import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Resolves an uncertain submission.
struct ResolveCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Resolve an uncertain task: adopt, resubmit or give up.",
        discussion: """
            A task is uncertain if the reply to its submission was lost. First look for it in the provider's list of \
            tasks: --resubmit pays a second time if the provider accepted it. If several accounts may have sent the \
            task, --account names the one whose list shows the record.

            Examples:
              pollux list --state uncertain
              pollux resolve 019ab0c2 --adopt 3b6b6a6e-93b0-4a5f-9a5e-0a8f5c1de0a1
              pollux resolve 019ab0c2 --resubmit
              pollux resolve 019ab0c2 --give-up
            """)

    @Argument(help: "The id, or any unique prefix of it.")
    var id: String

    @Option(help: ArgumentHelp("The provider has it under this id: track that.", valueName: "remote-id"))
    var adopt: String?

    @Option(help: ArgumentHelp("With --adopt: the account that has it.", valueName: "name"))
    var account: String?

    @Flag(help: "The provider does not have it: send it again.")
    var resubmit = false

    @Flag(help: "Give it up; it ends as failed.")
    var giveUp = false

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws {
        guard [adopt != nil, resubmit, giveUp].count(where: { $0 }) == 1 else {
            throw ValidationError("Give exactly one of --adopt REMOTE_ID, --resubmit and --give-up.")
        }
        guard account == nil || adopt != nil else { throw ValidationError("Give --account only with --adopt.") }
    }

    func reply(from client: LocalAPIClient) async throws -> Answer<TaskDocument> {
        try await client.resolve(
            id, adopt.map { .adopt(remoteID: $0, account: account) } ?? (resubmit ? .resubmit : .giveUp))
    }
}
