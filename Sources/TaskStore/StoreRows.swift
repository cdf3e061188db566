import Crypto
package import TaskModel
package import VerbatimJSON

/// One row of a task.
package struct TaskRow: Sendable {
    /// The row's key in the database. It grows with every new task.
    package let key: Int64
    package var task: TrackedTask
    /// The digest of the stored record; nil if there is none, or if an earlier version stored it.
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
    /// The length of the values of the response that are in files.
    package let partBytes: Int
    /// Its size on disk, with those values.
    package let bytes: Int

    package init(
        key: Int64, task: TrackedTask, request: String, response: String?, partBytes: Int = 0, bytes: Int
    ) {
        self.key = key
        self.task = task
        self.request = request
        self.response = response
        self.partBytes = partBytes
        self.bytes = bytes
    }

    /// The task with its documents, without its results and without the values that are in files.
    package var stored: TaskWithPayload {
        get throws(TaskStoreError) {
            TaskWithPayload(
                task: task,
                payload: TaskPayload(
                    request: try StoredDocument.read(request), response: try response.map(StoredDocument.read)))
        }
    }
}

/// Parses documents that the store wrote. It fails only if the database is damaged.
package enum StoredDocument {
    package static func read(_ text: String) throws(TaskStoreError) -> JSONValue {
        do throws(JSONSyntaxError) {
            return try JSONValue(parsing: text, limits: JSONLimits(maxDepth: 1_024, isStrict: false))
        } catch {
            throw .damaged("a stored document cannot be read (\(error.message))")
        }
    }
}

/// A provider's record as text, with its digest.
package struct RecordText: Sendable {
    /// The record, with empty strings in the places of its parts.
    package let text: String
    /// The first 64 bits of the SHA-256 of the whole record's text.
    package let digest: Int64
    /// Its long values that are in files.
    package let parts: [RecordPart]

    package init(_ record: JSONValue) { self.init(utf8: record.utf8) }

    /// Creates the record from its UTF-8 text.
    package init(utf8: [UInt8]) {
        text = String(decoding: utf8, as: UTF8.self)
        digest = Self.digest(of: utf8)
        parts = []
    }

    /// Creates a record without its parts.
    init(_ rest: JSONValue, lacking parts: [RecordPart], digest: Int64) {
        text = rest.text
        self.digest = digest
        self.parts = parts
    }

    /// The length of the values that are in files; nil if there are none.
    package var partBytes: Int? { parts.isEmpty ? nil : parts.reduce(0) { $0 + $1.textSize } }

    static func digest(of utf8: [UInt8]) -> Int64 {
        SHA256.hash(data: utf8).prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}

/// A task to be inserted with its documents as texts.
package struct NewTaskRow: Sendable {
    package let task: TrackedTask
    package let request: String
    package let record: RecordText?
}

/// A change of a task's row.
package struct TaskUpdate: Sendable {
    /// The row in the transaction before the change; only columns that differ are written.
    package let before: TaskRow
    package var task: TrackedTask
    /// The record to store; nil leaves the stored one.
    package var record: RecordText?

    /// The digest of the task's record after the change.
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

/// One stored line of the log.
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

/// An idempotency key and its task.
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

/// A task, or a given-up attempt, with a remote id.
package struct RemoteIDHolder: Sendable {
    package let remoteID: RemoteTaskID
    package let task: TaskID
    /// Whether it is a given-up attempt; the other facts are of its task.
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

/// The callback token of a new attempt.
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

/// The body of a delivery that reported an end.
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

/// A stored given-up attempt.
package struct GivenUpRow: Sendable {
    /// The row of its task.
    package let key: Int64
    package let service: ServiceName
    package var attempt: GivenUpAttempt
    /// The id of its late record.
    package var remoteID: RemoteTaskID?

    package init(key: Int64, service: ServiceName, attempt: GivenUpAttempt, remoteID: RemoteTaskID?) {
        self.key = key
        self.service = service
        self.attempt = attempt
        self.remoteID = remoteID
    }
}

/// A change of the number of tasks of an endpoint in a state.
package struct TaskCountDelta: Sendable {
    package let endpoint: EndpointName
    package let state: TaskState
    package var account = AccountName.default
    package let change: Int
}

/// A file of a result, and the key of its task.
package struct StoredArtefact: Sendable {
    package let key: Int64
    package let artefact: Artefact

    package init(key: Int64, artefact: Artefact) {
        self.key = key
        self.artefact = artefact
    }
}

/// The parts of the record of one task, in order.
package struct TaskParts: Sendable {
    /// The row of the task.
    package let key: Int64
    package let parts: [RecordPart]

    package init(key: Int64, parts: [RecordPart]) {
        self.key = key
        self.parts = parts
    }
}

/// The bytes of a value of a record, as a backup contains them.
package struct PackedPart: Sendable {
    package let sha256: String
    package let bytes: [UInt8]

    package init(sha256: String, bytes: [UInt8]) {
        self.sha256 = sha256
        self.bytes = bytes
    }
}

/// Which files with one digest are meant.
package enum ArtefactCondition: Sendable {
    case any
    /// On disk.
    case saved
    /// On disk, and no client has had it for this result.
    case undelivered
}

/// How many files of results wait.
package struct ArtefactCounts: Sendable, Hashable {
    /// To be fetched, those without room among them.
    package let waiting: Int
    /// For room on disk.
    package let withoutRoom: Int

    package init(waiting: Int = 0, withoutRoom: Int = 0) {
        self.waiting = waiting
        self.withoutRoom = withoutRoom
    }
}
