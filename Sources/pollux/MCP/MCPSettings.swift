import LocalAPIContract
import Text

/// What the person who starts the server decides. A model cannot change it.
struct MCPSettings: Sendable {
    /// The labels of every task. They replace those of the model.
    let labels: [String: String]
    /// The endpoints that `generate` may use, each by its name or with `*` at its end; all if there are none.
    let allowed: [String]
    /// The budget that must count every task; nil if there need be none.
    let budget: MCPBudget?

    init(labels: [String: String], allowed: [String], budget: String? = nil) {
        self.labels = labels.merging(["agent": "mcp"]) { stated, _ in stated }
        self.allowed = allowed
        self.budget = budget.map { MCPBudget(name: $0) }
    }

    func allows(_ endpoint: String) -> Bool { allowed.isEmpty || allowed.contains { $0.matches(endpoint) } }

    /// Whether the task is one of this agent.
    func owns(_ task: TaskDocument) -> Bool { labels.allSatisfy { task.labels[$0.key] == $0.value } }

    /// The idempotency key for a model's own key. Two agents may use the same one.
    func idempotencyKey(for key: String) -> String {
        "mcp/\((labels["agent"] ?? "").percentEncodedSegment)/\(key.percentEncodedSegment)"
    }
}
