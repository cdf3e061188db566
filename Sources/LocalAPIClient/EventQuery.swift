import Text

/// Selects the events of a stream.
package struct EventQuery: Sendable, Hashable {
    package var tasks: [String]
    package var endpoints: [String]
    /// The states to which the events lead.
    package var states: [String]
    /// A task must have all of these labels.
    package var labels: [String: String]
    /// The payloads that are sent with each task: `request`, `response`, `results`.
    package var included: [String]

    package init(
        tasks: [String] = [], endpoints: [String] = [], states: [String] = [], labels: [String: String] = [:],
        included: [String] = []
    ) {
        self.tasks = tasks
        self.endpoints = endpoints
        self.states = states
        self.labels = labels
        self.included = included
    }

    /// The query with its question mark; empty if it selects everything.
    package var text: String {
        var items: [(String, String)] = []
        for (name, list) in [("task", tasks), ("endpoint", endpoints), ("state", states), ("include", included)]
        where !list.isEmpty {
            items.append((name, list.joined(separator: ",")))
        }
        for label in labels.sorted(by: { $0.key < $1.key }) { items.append(("label", "\(label.key):\(label.value)")) }
        return items.isEmpty ? "" : "?" + items.map { "\($0.0)=\($0.1.percentEncoded())" }.joined(separator: "&")
    }
}
