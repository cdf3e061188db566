import HTTPTypes

/// How a service wraps what it says of tasks, where it differs from most.
struct ServiceForm: Sendable {
    /// What stands around the answer in a look-up.
    var record: RecordForm = .wrapped
    /// How the record tells times.
    var times: TimeForm = .stamped
    /// Under which names a look-up may give the id.
    var lookupKeys = ["id", "task_id"]
    /// What a query for many is told.
    var batch: BatchForm = .byID
    /// What is said of an id that it does not know; nil for 200 and an empty object.
    var unknown: ProviderError?

    /// The forms of a record.
    enum RecordForm: Sendable {
        /// The bookkeeping with the request, and the answer under `response`.
        case wrapped
        /// The same, of which a look-up of one task shows the answer only.
        case flatWhenAlone
        /// The answer itself, with its times; a failure comes as HTTP 504.
        case flat
        /// One object under `task`, with its own names; bare in a list.
        case task
        /// The state, in words, beside `response`.
        case worded(Words)
    }

    /// The words of a record that tells its state at the top.
    struct Words: Sendable {
        /// In the order in which they come.
        var running: [String]
        var succeeded: String
        var failed: String
        /// Whether it also tells how far it is, as an object of its own.
        var showsProgress = false
    }

    /// The forms of a record's times.
    enum TimeForm: Sendable {
        /// `started_at`, `finished_at` and `elapsed`, in Unix seconds.
        case stamped
        /// The same as texts.
        case iso8601
        /// None but `created_at`: older records.
        case createdOnly
    }

    /// The forms of a query for many.
    enum BatchForm: Sendable {
        /// `items` of those ids, and how many there are.
        case byID
        /// The same with `total` for `count`.
        case byIDWithTotal
        /// Whatever it asks for, the caller's own tasks: `count` is how many there are in all.
        case history
        /// There is none.
        case none
    }

    static let standard = ServiceForm()
}
