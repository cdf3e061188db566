/// PruneDocument says what a sweep has removed, or what it would remove.
package struct PruneDocument: ContractDocument {
    /// Whether a retention is set. Without one nothing is removed.
    package var configured = false
    package var dryRun = false
    /// False if the daemon was stopping. The rest goes with a later sweep.
    package var complete = true
    /// Tasks that lose all details.
    package var tasks = 0
    /// Tasks that lose their record and results only.
    package var responses = 0
    /// Lines of the log.
    package var events = 0
    package var idempotencyKeys = 0
    /// Tasks without details that are removed as a whole.
    package var stubs = 0
    /// The length of the texts. Rows and indexes come on top.
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
        try coder.member("bytes", &bytes)
    }
}
