import LocalAPIContract
import Text

/// Selects the tasks of a list.
package struct TaskQuery: Sendable, Hashable {
    package var states: [String]
    package var endpoints: [String]
    /// A task must have all of these labels.
    package var labels: [String: String]
    /// RFC 3339.
    package var createdAfter: String?
    /// RFC 3339.
    package var createdBefore: String?
    /// Whether the tasks have been retried; nil for both.
    package var isRetried: Bool?
    /// The number of tasks per page.
    package var limit: Int?
    /// The `next_cursor` of the previous page.
    package var cursor: String?

    package init(
        states: [String] = [], endpoints: [String] = [], labels: [String: String] = [:],
        createdAfter: String? = nil, createdBefore: String? = nil, limit: Int? = nil, cursor: String? = nil
    ) {
        self.states = states
        self.endpoints = endpoints
        self.labels = labels
        self.createdAfter = createdAfter
        self.createdBefore = createdBefore
        self.limit = limit
        self.cursor = cursor
    }

    /// The query with its question mark; empty if it selects everything.
    package var text: String {
        var items: [(String, String)] = []
        if !states.isEmpty { items.append(("state", states.joined(separator: ","))) }
        if !endpoints.isEmpty { items.append(("endpoint", endpoints.joined(separator: ","))) }
        for label in labels.sorted(by: { $0.key < $1.key }) { items.append(("label", "\(label.key):\(label.value)")) }
        if let createdAfter { items.append(("created_after", createdAfter)) }
        if let createdBefore { items.append(("created_before", createdBefore)) }
        if let isRetried { items.append(("retried", String(isRetried))) }
        if let limit { items.append(("limit", String(limit))) }
        if let cursor { items.append(("cursor", cursor)) }
        guard !items.isEmpty else { return "" }
        return "?" + items.map { "\($0.0)=\($0.1.percentEncoded())" }.joined(separator: "&")
    }
}
