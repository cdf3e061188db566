import ArgumentParser
import FoundationEssentials
import LocalAPIClient
import LocalAPIContract

/// Shows what was spent.
struct SpendCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "spend",
        abstract: "Show what was spent and what is reserved.",
        discussion: """
            Counts attempts by the time of their start. What an attempt is expected to cost is reserved until its outcome is \
            known. Attempts without a known cost are counted and never taken for free: write their prices into prices.yaml.

            Examples:
              pollux spend
              pollux spend --by label.project --since month
              pollux spend --by provider --since 7d --json
            """)

    @Option(help: ArgumentHelp("provider, account, endpoint, day (in UTC) or label.NAME.", valueName: "what"))
    var by = "endpoint"

    @Option(
        help: ArgumentHelp(
            "day, month (in the local time zone), RFC 3339, a day, or a duration such as 7d for seven days ago.",
            valueName: "time"), transform: SpendStart.init)
    var since: SpendStart?

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func validate() throws {
        let isLabel = by.hasPrefix("label.") && by.count > 6
        guard ["provider", "account", "endpoint", "day"].contains(by) || isLabel else {
            throw ValidationError("--by is provider, account, endpoint, day or label.NAME, not '\(by)'.")
        }
    }

    func reply(from client: LocalAPIClient) async throws -> Answer<SpendDocument> {
        try await client.spend(by: by, since: since?.text(now: Date()))
    }

    func lines(for spend: SpendDocument, on terminal: Terminal) -> [String] {
        guard !spend.rows.isEmpty else { return ["Nothing was spent."] }
        return SpendTable.table(spend).lines(on: terminal)
    }
}

/// When the overview begins.
enum SpendStart: Equatable {
    case day, month
    case time(TimeArgument)

    init(_ text: String) throws {
        switch text {
        case "day": self = .day
        case "month": self = .month
        default: self = .time(try TimeArgument.past(text))
        }
    }

    /// RFC 3339.
    func text(now: Date) -> String {
        let unit: Calendar.Component
        switch self {
        case .day: unit = .day
        case .month: unit = .month
        case .time(let time): return time.text(now: now)
        }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .current
        return (calendar.dateInterval(of: unit, for: now)?.start ?? now).rfc3339
    }
}
