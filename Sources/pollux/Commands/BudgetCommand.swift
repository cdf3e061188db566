import ArgumentParser
import LocalAPIClient
import LocalAPIContract

/// Shows budgets and changes their limits.
struct BudgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "budget",
        abstract: "Show budgets, or change a limit until its period ends.",
        discussion: """
            Budgets are in the settings: docs/money.md. A task for which a budget has no room waits in the queue and goes on by \
            itself.

            Examples:
              pollux budget
              pollux budget set daily 20
              pollux budget reset daily
            """,
        subcommands: [BudgetListCommand.self, BudgetSetCommand.self, BudgetResetCommand.self],
        defaultSubcommand: BudgetListCommand.self)
}

/// Lists budgets with what is used of them.
struct BudgetListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List budgets with what is spent and reserved now.")

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<BudgetPage> { try await client.budgets() }

    func lines(for page: BudgetPage, on terminal: Terminal) -> [String] {
        guard !page.budgets.isEmpty else { return ["No budget is set. docs/money.md shows how to."] }
        return BudgetTable.table(page.budgets).lines(on: terminal)
    }
}

/// Sets the limit of a budget.
struct BudgetSetCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set the limit of a budget until its period ends.",
        discussion: """
            The amount is the whole limit, not an addition. The limit of a total stays until `pollux budget reset`.

            Example:
              pollux budget set daily 20
            """)

    @Argument(help: "The name of the budget.")
    var name: String

    @Argument(help: "The limit in the budget's unit, as in 20 or 0.5.")
    var limit: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<BudgetDocument> {
        try await client.setLimit(of: name, to: limit)
    }

    func lines(for budget: BudgetDocument, on terminal: Terminal) -> [String] {
        BudgetTable.table([budget]).lines(on: terminal)
    }
}

/// Gives a budget the limit of the settings back.
struct BudgetResetCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset", abstract: "Give a budget the limit of the settings back.")

    @Argument(help: "The name of the budget.")
    var name: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<BudgetDocument> {
        try await client.setLimit(of: name, to: nil)
    }

    func lines(for budget: BudgetDocument, on terminal: Terminal) -> [String] {
        BudgetTable.table([budget]).lines(on: terminal)
    }
}

/// Lets a task exceed its budgets, once.
struct ApproveCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Let a queued task exceed its budgets, once.",
        discussion: """
            The task is sent when its turn comes, even if its budgets have no room. Its cost still counts.

            Example:
              pollux approve 019ab0c2
            """)

    @Argument(help: "The id, or any unique prefix of it.")
    var id: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<TaskDocument> { try await client.approve(id) }

    func lines(for task: TaskDocument, on terminal: Terminal) -> [String] {
        ["\(task.id.printable)  \(task.stateWords), approved"]
    }
}
