/// Selects the tasks of a list. Empty members do not restrict it.
package struct TaskFilter: Sendable, Hashable {
    package var states: [TaskState] = []
    package var endpoints: [EndpointName] = []
    /// A task must have all of these labels.
    package var labels: [String: String] = [:]
    package var createdAfter: Timestamp?
    package var createdBefore: Timestamp?
    /// Whether the tasks have been retried; nil for both.
    package var isRetried: Bool?
    /// Whether only queued tasks that a budget has held are selected.
    package var isHeldByBudget = false

    package init() {}

    /// Whether it restricts nothing but the state and the endpoint, by which tasks are counted anyway.
    package var isCounted: Bool {
        labels.isEmpty && createdAfter == nil && createdBefore == nil && isRetried == nil && !isHeldByBudget
    }
}

/// The documents that a list has with each task.
package struct ListedDocuments: OptionSet, Sendable, Hashable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    package static let request = ListedDocuments(rawValue: 1)
    package static let response = ListedDocuments(rawValue: 2)
    /// Without ``response``, long values are null.
    package static let results = ListedDocuments(rawValue: 4)
    package static let all: ListedDocuments = [.request, .response, .results]
}

/// The number of tasks that a filter selects.
package struct FilteredCount: Sendable, Hashable {
    package let count: Int
    /// Whether all were counted. Otherwise there are at least so many.
    package let isComplete: Bool

    package init(count: Int, isComplete: Bool) {
        self.count = count
        self.isComplete = isComplete
    }
}

/// The position where a list continues. Opaque to clients.
package struct PageCursor: Sendable, Hashable {
    /// The store's key of the last shown task.
    package let key: Int64

    package init(key: Int64) {
        self.key = key
    }

    /// Parses a ``text``; nil if it is invalid.
    package init?(text: String) {
        guard text.hasPrefix("c"), text.utf8.count <= 14, !text.dropFirst().hasPrefix("+"),
            let key = Int64(text.dropFirst(), radix: 36), key > 0
        else { return nil }
        self.key = key
    }

    /// The text form that a client sends back.
    package var text: String { "c" + String(key, radix: 36) }
}

/// One page of tasks and the cursor of the next page.
package struct TaskListing: Sendable {
    package let tasks: [TaskWithPayload]
    package let next: PageCursor?

    package init(tasks: [TaskWithPayload], next: PageCursor?) {
        self.tasks = tasks
        self.next = next
    }
}
