import HTTPTypes

/// How a service formats task replies, where it differs from most.
struct ServiceForm: Sendable {
    /// What surrounds the response in a look-up.
    var record: RecordForm = .wrapped
    /// How the record formats times.
    var times: TimeForm = .stamped
    /// The names under which a look-up may give the id.
    var lookupKeys = ["id", "task_id"]
    /// How the service replies to a query for several tasks.
    var batch: BatchForm = .byID
    /// The error for an unknown id; nil for 200 and an empty object.
    var unknown: ProviderError?

    /// The formats of a record.
    enum RecordForm: Sendable {
        /// Metadata and the request, with the result under `response`.
        case wrapped
        /// Like `wrapped`, but a look-up of one task shows only the response.
        case flatWhenAlone
        /// The response with its times. A failure comes as HTTP 504.
        case flat
        /// One object under `task` with different member names; not nested in a list.
        case task
        /// A status word beside `response`.
        case worded(Words)
    }

    /// The status words of a record with a top-level status.
    struct Words: Sendable {
        /// In order of occurrence.
        var running: [String]
        var succeeded: String
        var failed: String
        /// Whether the record also has a progress object.
        var showsProgress = false
    }

    /// The formats of a record's times.
    enum TimeForm: Sendable {
        /// `started_at`, `finished_at` and `elapsed` in Unix seconds.
        case stamped
        /// The same, as text.
        case iso8601
        /// Only `created_at`, as in older records.
        case createdOnly
    }

    /// The formats of a query for several tasks.
    enum BatchForm: Sendable {
        /// `items` for those ids, and `count`.
        case byID
        /// `items` for those ids, and `total`.
        case byIDWithTotal
        /// Ignores the ids and returns the caller's tasks. `count` is the total number.
        case history
        /// Not supported.
        case none
    }

    static let standard = ServiceForm()
}
