/// The removals of a sweep, or those it would make.
package struct PruneDocument: ContractDocument {
    /// Whether a retention is set. Without one, nothing is removed.
    package var configured = false
    package var dryRun = false
    /// False if the daemon was stopping. A later sweep removes the rest.
    package var complete = true
    /// The number of tasks that lose all details.
    package var tasks = 0
    /// The number of tasks that lose their record and results only.
    package var responses = 0
    /// The number of lines of the log.
    package var events = 0
    package var idempotencyKeys = 0
    /// The number of tasks without details that are removed as a whole.
    package var stubs = 0
    /// The number of lines of the ledger.
    package var ledger = 0
    /// Files of results.
    package var files = 0
    /// The length of the files.
    package var fileBytes = 0
    /// The length of the texts, without the overhead of rows and indexes.
    package var bytes = 0

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("configured", &configured)
        try coder.required("dry_run", &dryRun)
        try coder.member("complete", &complete)
        try coder.member("tasks", &tasks)
        try coder.member("responses", &responses)
        try coder.member("events", &events)
        try coder.member("idempotency_keys", &idempotencyKeys)
        try coder.member("stubs", &stubs)
        try coder.member("ledger", &ledger)
        try coder.member("files", &files)
        try coder.member("file_bytes", &fileBytes)
        try coder.member("bytes", &bytes)
    }
}
