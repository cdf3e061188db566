import Crypto
package import TaskModel
package import VerbatimJSON

/// One row of a task.
package struct TaskRow: Sendable {
    /// The database's own number of the task; grows with every new one.
    package let key: Int64
    package var task: TrackedTask
    /// Of the record that is kept; nil where none is, or where an earlier version of the program stored it.
    package var recordDigest: Int64?

    package init(key: Int64, task: TrackedTask, recordDigest: Int64?) {
        self.key = key
        self.task = task
        self.recordDigest = recordDigest
    }
}

/// A task with its documents as texts.
package struct TaskTexts: Sendable {
    package let key: Int64
    package let task: TrackedTask
    package let request: String
    package let response: String?
    /// How large it is on disk.
    package let bytes: Int

    package init(key: Int64, task: TrackedTask, request: String, response: String?, bytes: Int) {
        self.key = key
        self.task = task
        self.request = request
        self.response = response
        self.bytes = bytes
    }

    /// The task with its documents, without its results.
    package var stored: TaskWithPayload {
        get throws(TaskStoreError) {
            TaskWithPayload(
                task: task,
                payload: TaskPayload(
                    request: try StoredDocument.read(request), response: try response.map(StoredDocument.read)))
        }
    }
}

/// Reads documents that the store wrote itself, which can be read unless the database is damaged.
package enum StoredDocument {
    package static func read(_ text: String) throws(TaskStoreError) -> JSONValue {
        do throws(JSONSyntaxError) {
            return try JSONValue(parsing: text, limits: JSONLimits(maxDepth: 1_024, isStrict: false))
        } catch {
            throw .damaged("a stored document cannot be read (\(error.message))")
        }
    }
}

/// A provider's record as text, and what tells it from others.
package struct RecordText: Sendable {
    package let text: String
    /// The first 64 bits of the text's SHA-256.
    package let digest: Int64

    package init(_ record: JSONValue) { self.init(utf8: record.utf8) }

    /// The record whose text has these bytes.
    package init(utf8: [UInt8]) {
        text = String(decoding: utf8, as: UTF8.self)
        digest = SHA256.hash(data: utf8).prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}

/// A task to be inserted with its documents as texts.
package struct NewTaskRow: Sendable {
    package let task: TrackedTask
    package let request: String
    package let record: RecordText?
}

/// A task's row as it becomes.
package struct TaskUpdate: Sendable {
    /// As it is in the transaction; only columns that differ are written.
    package let before: TaskRow
    package var task: TrackedTask
    /// The record to keep from now on; nil keeps the one that is there.
    package var record: RecordText?

    /// The digest of the record that the task has afterwards.
    package var recordDigest: Int64? { task.lacks(.response) ? nil : record?.digest ?? before.recordDigest }
}

/// One line to append to the log.
package struct NewLogLine: Sendable {
    /// The task's row; nil for an entry about no task.
    package let key: Int64?
    package let at: Timestamp
    package let kind: String
    package let from: TaskState?
    package let to: TaskState?
    package let detail: JSONObject
}

/// One line of the log as it is stored.
package struct LogRow: Sendable {
    package let sequence: Int64
    package let task: TaskID?
    package let at: Timestamp
    package let kind: String
    package let from: TaskState?
    package let to: TaskState?
    package let detail: String

    package init(
        sequence: Int64, task: TaskID?, at: Timestamp, kind: String, from: TaskState?, to: TaskState?, detail: String
    ) {
        self.sequence = sequence
        self.task = task
        self.at = at
        self.kind = kind
        self.from = from
        self.to = to
        self.detail = detail
    }
}

/// A line of the log about a task, with the task as it is now.
package struct TaskLine: Sendable {
    package let line: LogRow
    package let task: TrackedTask

    package init(line: LogRow, task: TrackedTask) {
        self.line = line
        self.task = task
    }
}

/// An idempotency key, and the task that it names.
package struct KeyRow: Sendable {
    package let key: String
    package let task: TaskID
    package let fingerprint: [UInt8]

    package init(key: String, task: TaskID, fingerprint: [UInt8]) {
        self.key = key
        self.task = task
        self.fingerprint = fingerprint
    }
}

/// The idempotency key of a new task.
package struct NewKey: Sendable {
    /// The row of the task.
    package let task: Int64
    package let key: String
    package let fingerprint: [UInt8]
}

/// A task, or an attempt that was given up, that has a remote id.
package struct RemoteIDHolder: Sendable {
    package let remoteID: RemoteTaskID
    package let task: TaskID
    /// Whether it is an attempt that was given up; the other facts are of its task.
    package let isAttempt: Bool
    package let state: TaskState
    package let attempts: Int
    package let failureCode: String?
    package let resolution: Resolution?

    package init(
        remoteID: RemoteTaskID, task: TaskID, isAttempt: Bool, state: TaskState, attempts: Int, failureCode: String?,
        resolution: Resolution?
    ) {
        self.remoteID = remoteID
        self.task = task
        self.isAttempt = isAttempt
        self.state = state
        self.attempts = attempts
        self.failureCode = failureCode
        self.resolution = resolution
    }
}

/// The callback token of an attempt, with its task.
package struct TokenRow: Sendable {
    package let digest: CallbackDigest
    package let owner: CallbackOwner

    package init(digest: CallbackDigest, owner: CallbackOwner) {
        self.digest = digest
        self.owner = owner
    }
}

/// A callback token that an attempt is about to carry.
package struct NewToken: Sendable {
    package let digest: CallbackDigest
    package let key: Int64
    package let attempt: Int
}

/// One delivery to be counted.
package struct CountedDelivery: Sendable {
    package let key: Int64
    package let attempt: Int
    package let isFinal: Bool
}

/// The body of a delivery that called its task ended.
package struct DeliveredBody: Sendable {
    package let key: Int64
    package let isSuccess: Bool
    package let body: String

    package init(key: Int64, isSuccess: Bool, body: String) {
        self.key = key
        self.isSuccess = isSuccess
        self.body = body
    }
}

/// An attempt that was given up, as it is stored.
package struct GivenUpRow: Sendable {
    /// The row of its task.
    package let key: Int64
    package let service: ServiceName
    package var attempt: GivenUpAttempt
    /// The record that turned up.
    package var remoteID: RemoteTaskID?

    package init(key: Int64, service: ServiceName, attempt: GivenUpAttempt, remoteID: RemoteTaskID?) {
        self.key = key
        self.service = service
        self.attempt = attempt
        self.remoteID = remoteID
    }
}

/// How much the number of tasks of an endpoint in a state changes.
package struct TaskCountDelta: Sendable {
    package let endpoint: EndpointName
    package let state: TaskState
    package var account = AccountName.default
    package let change: Int
}
