import ArgumentParser
import FoundationEssentials
import LocalAPIClient
import LocalAPIContract

/// NotificationsCommand groups what concerns the destinations of notifications.
struct NotificationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notifications",
        abstract: "Show, test and replay notifications about tasks.",
        discussion: """
            pollux.yaml says under notifications.destinations who is notified of what. What cannot be delivered waits in \
            the daemon and is tried for about two days, in order for each task.

            Examples:
              pollux notifications list
              pollux notifications test backend
              pollux notifications replay backend --since 2h
            """,
        subcommands: [List.self, Replay.self, Test.self])

    /// Shows the destinations, or what is not sent any more.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the destinations, or what is not sent to them any more.",
            discussion: """
                Examples:
                  pollux notifications list
                  pollux notifications list --dead
                """)

        @Flag(help: "List events that are not sent any more.")
        var dead = false

        @OptionGroup(title: "Connection and output")
        var options: GlobalOptions

        func run() async throws {
            try await Session.open(options) { session in
                if dead {
                    let reply = try await session.client.deadLetters()
                    try session.show(reply.json) {
                        DestinationTable.lines(for: reply.document.deadLetters, on: session.terminal)
                    }
                } else {
                    let reply = try await session.client.destinations()
                    try session.show(reply.json) {
                        DestinationTable.lines(for: reply.document.destinations, on: session.terminal)
                    }
                }
            }
        }
    }

    /// Sends events once more.
    struct Replay: DaemonCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send events to a destination once more.",
            discussion: """
                The receiver may have had them already: their ids are the same as then.

                Examples:
                  pollux notifications replay backend --task 019ab0c2
                  pollux notifications replay backend --since 2026-11-28T06:00:00Z
                  pollux notifications replay backend --dead
                """)

        @Argument(help: "The destination.")
        var name: String

        @Option(help: ArgumentHelp("All events of this task.", valueName: "id"))
        var task: String?

        @Option(
            help: ArgumentHelp("Everything since: RFC 3339, or 2h for two hours ago.", valueName: "time"),
            transform: TimeArgument.past)
        var since: TimeArgument?

        @Flag(help: "What is not sent any more.")
        var dead = false

        @OptionGroup(title: "Connection and output")
        var options: GlobalOptions

        func validate() throws {
            guard [task != nil, since != nil, dead].filter({ $0 }).count == 1 else {
                throw ValidationError("Give one of --task, --since and --dead.")
            }
        }

        func reply(from client: LocalAPIClient) async throws -> Answer<ReplayDocument> {
            let replay: ReplayRequestDocument =
                if let task { .task(task) } else if let since { .since(since.text(now: Date())) } else { .dead }
            return try await client.replay(replay, to: name)
        }

        func lines(for replay: ReplayDocument, on terminal: Terminal) -> [String] {
            let what = replay.events.map { "\($0) event(s) are" } ?? "The events since then are"
            return ["\(what) sent to \(replay.destination.printable) once more."]
        }
    }

    /// Sends a test.
    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send a test to a destination; exits 1 if it is not taken.",
            discussion: """
                The type of the test is pollux.ping. A destination that takes it goes on if it was stopped or closed.

                Examples:
                  pollux notifications test backend
                """)

        @Argument(help: "The destination.")
        var name: String

        @OptionGroup(title: "Connection and output")
        var options: GlobalOptions

        func run() async throws {
            try await Session.open(options) { session in
                let reply = try await session.client.test(destination: name)
                try session.show(reply.json) { Self.lines(for: reply.document) }
                if !reply.document.delivered { throw ExitStatus.unsuccessful }
            }
        }

        private static func lines(for test: DeliveryTestDocument) -> [String] {
            let name = test.destination.printable
            guard !test.delivered else { return ["\(name) took the test."] }
            let answer = (test.answer ?? "").isEmpty ? [] : ["It answered: \(test.answer?.printable ?? "")"]
            return ["\(name) did not take the test: \((test.reason ?? "no reason is known").printable)."] + answer
        }
    }
}
