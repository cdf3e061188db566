import ArgumentParser
import LocalAPIClient
import FoundationEssentials
import LocalAPIContract
import VerbatimJSON

/// Tracks a task that was submitted elsewhere.
struct TrackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "track",
        abstract: "Track a task that was submitted elsewhere and print its id.",
        discussion: """
            Only status queries are sent, so nothing is paid. The remote id is the provider's id. If the provider has \
            several accounts, --account names the one that submitted it.

            Example:
              pollux track suno/audios 3b6b6a6e-93b0-4a5f-9a5e-0a8f5c1de0a1
            """)

    @Argument(help: "The endpoint it was submitted to, as service/operation.")
    var endpoint: String

    @Argument(help: "The provider's id for it.")
    var remoteID: String

    @Option(
        help: ArgumentHelp("The account that submitted it; the first of the provider if not given.", valueName: "name"))
    var account: String?

    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp("May be repeated.", valueName: "name=value"))
    var label: [LabelArgument] = []

    @Option(parsing: .unconditional, help: "-1000 to 1000; higher goes first.")
    var priority: Int?

    @Option(
        help: ArgumentHelp("Stop tracking it at: RFC 3339, or +2h.", valueName: "time"),
        transform: TimeArgument.future)
    var deadline: TimeArgument?

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func run() async throws {
        var document = AdoptDocument(endpoint: endpoint, remoteID: remoteID)
        document.account = account
        document.labels = try LabelArgument.dictionary(label)
        document.priority = priority
        document.deadline = deadline?.text(now: Date())
        try await Session.open(options) { session in
            let answer = try await session.client.adopt(document)
            try session.show(answer.json) { [answer.document.id.printable] }
            let uncertain = answer.json["uncertain_tasks"]?.array?.compactMap(\.string) ?? []
            for lost in uncertain.prefix(5) {
                StandardError.write(Self.note(on: lost, tracked: answer.document) + "\n")
            }
        }
    }

    /// How to resolve an uncertain task that may be the tracked one.
    private static func note(on lost: String, tracked: TaskDocument) -> String {
        let (lost, id, remoteID) = (lost.printable, tracked.id.printable, (tracked.remoteID ?? "").printable)
        return """
            Task \(lost) of \(tracked.endpoint.printable) is uncertain, and \(remoteID) may be its request. If it is:
              pollux resolve \(lost) --give-up                            the tracked task \(id) gets the result
              pollux cancel \(id); pollux resolve \(lost) --adopt \(remoteID)   the uncertain task gets it
            """
    }
}
