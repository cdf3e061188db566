/// The number of tasks of an endpoint in a state.
package struct TaskCount: Sendable, Hashable {
    package let endpoint: EndpointName
    package let state: TaskState
    /// The account that sends or has the tasks; `default` for tasks without an account.
    package let account: AccountName
    package let count: Int

    package init(endpoint: EndpointName, state: TaskState, account: AccountName = .default, count: Int) {
        self.endpoint = endpoint
        self.state = state
        self.account = account
        self.count = count
    }
}

/// The location and size of the store.
package struct StoreInfo: Sendable, Hashable {
    package let path: String
    /// The size of the database and its write-ahead log.
    package let sizeInBytes: Int64
    /// The size of the write-ahead log.
    package let logBytes: Int64
    /// The free bytes of its disk for this user; nil if they are unknown.
    package let freeBytes: Int64?
    /// Whether each commit waits for a second server; nil for a file.
    package let waitsForStandby: Bool?

    package init(
        path: String, sizeInBytes: Int64, logBytes: Int64 = 0, freeBytes: Int64? = nil, waitsForStandby: Bool? = nil
    ) {
        self.path = path
        self.sizeInBytes = sizeInBytes
        self.logBytes = logBytes
        self.freeBytes = freeBytes
        self.waitsForStandby = waitsForStandby
    }
}

/// Backup is a finished copy of the database.
package struct Backup: Sendable, Hashable {
    package let path: String
    package let sizeInBytes: Int64
    /// The time that the copy is marked with.
    package let createdAt: Timestamp

    package init(path: String, sizeInBytes: Int64, createdAt: Timestamp) {
        self.path = path
        self.sizeInBytes = sizeInBytes
        self.createdAt = createdAt
    }
}
