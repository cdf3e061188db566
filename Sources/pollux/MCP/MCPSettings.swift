import LocalAPIContract
import Text

/// What the person who starts the server decides. A model cannot change it.
struct MCPSettings: Sendable {
    /// The labels of every task. They replace those of the model.
    let labels: [String: String]
    /// The endpoints that `generate` may use, each by its name or with `*` at its end; all if there are none.
    let allowed: [String]

    init(labels: [String: String], allowed: [String]) {
        self.labels = labels.merging(["agent": "mcp"]) { stated, _ in stated }
        self.allowed = allowed
    }

    func allows(_ endpoint: String) -> Bool {
        allowed.isEmpty
            || allowed.contains { name in
                name.hasSuffix("*") ? endpoint.hasPrefix(name.dropLast()) : endpoint == name
            }
    }

    /// Whether the task is one of this agent.
    func owns(_ task: TaskDocument) -> Bool { labels.allSatisfy { task.labels[$0.key] == $0.value } }

    /// The idempotency key for a model's own key. Two agents may use the same one.
    func idempotencyKey(for key: String) -> String {
        "mcp/\((labels["agent"] ?? "").percentEncodedSegment)/\(key.percentEncodedSegment)"
    }
}
