/// Which tasks a list shows; an empty member does not restrict.
package struct TaskFilter: Sendable, Hashable {
    package var states: [TaskState] = []
    package var endpoints: [EndpointName] = []
    /// Every one of these must be there.
    package var labels: [String: String] = [:]
    package var createdAfter: Timestamp?
    package var createdBefore: Timestamp?

    package init() {}
}

/// Where a list goes on; opaque to clients.
package struct PageCursor: Sendable, Hashable {
    /// The store's key of the last task shown.
    package let key: Int64

    package init(key: Int64) {
        self.key = key
    }

    /// Reads what ``text`` wrote; nil for anything else.
    package init?(text: String) {
        guard text.hasPrefix("c"), text.utf8.count <= 14, !text.dropFirst().hasPrefix("+"),
            let key = Int64(text.dropFirst(), radix: 36), key > 0
        else { return nil }
        self.key = key
    }

    /// What a client sends back to go on.
    package var text: String { "c" + String(key, radix: 36) }
}

/// Some tasks of a list, and where it goes on.
package struct TaskListing: Sendable {
    package let tasks: [StoredTask]
    package let next: PageCursor?

    package init(tasks: [StoredTask], next: PageCursor?) {
        self.tasks = tasks
        self.next = next
    }
}
