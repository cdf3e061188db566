import LocalAPIClient
import LocalAPIContract

/// MCPBudget makes sure that one budget counts every task that a server submits.
///
/// The daemon keeps the limit. A task that the budget would not count is not submitted at all.
struct MCPBudget: Sendable {
    let name: String

    /// Throws unless the budget counts a task of that endpoint with these labels, and holds or refuses what it cannot count.
    ///
    /// `fixed` are the labels that a model cannot choose, because each value of a label may have a limit for itself.
    func check(_ endpoint: String, fixed: [String: String], _ client: LocalAPIClient) async throws {
        let budgets = try await client.budgets().document.budgets
        guard let budget = budgets.first(where: { $0.name == name }) else {
            throw problem("the settings of the daemon have no such budget")
        }
        guard budget.unpriced == "hold" else {
            throw problem("it lets tasks without a price pass; it needs `unpriced: hold`")
        }
        if budget.scope["account"] != nil {
            throw problem("it counts one account only, and which account sends a task is not known before")
        }
        if let pattern = budget.scope["endpoint"], !pattern.matches(endpoint) {
            throw problem("it counts only \(pattern), not \(endpoint)")
        }
        if let label = budget.scope["label"] {
            let parts = label.split(separator: "=", maxSplits: 1).map(String.init)
            guard let value = fixed[parts[0]], parts.count == 1 || parts[1] == value else {
                throw problem("it counts tasks with the label \(label), which `--label` must fix")
            }
        }
        if let provider = budget.scope["provider"] {
            let parts = endpoint.split(separator: "/", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ToolProblem("There is no endpoint \(endpoint).") }
            let own = try await client.endpoint(service: parts[0], operation: parts[1]).document.provider
            guard own == provider else { throw problem("it counts only \(provider), not \(own)") }
        }
    }

    private func problem(_ reason: String) -> ToolProblem {
        ToolProblem(
            """
            Nothing was submitted: the budget \(name), to which this server is limited, would not count the task: \(reason). \
            Only the person who set up this server can change that.
            """)
    }
}

extension String {
    /// Whether the name of an endpoint is this one, or has this beginning if it ends with `*`.
    func matches(_ endpoint: String) -> Bool { hasSuffix("*") ? endpoint.hasPrefix(dropLast()) : endpoint == self }
}
