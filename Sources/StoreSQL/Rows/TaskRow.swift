import TaskModel
package import TaskStore

/// One row of `task`.
extension TaskRow: ColumnDecodable {
    /// All columns for a SELECT, in the order in which ``init(_:)`` reads them.
    static func columns(in dialect: SQLDialect) -> String {
        switch dialect {
        case .sqlite: sqliteColumns
        case .postgres: postgresColumns
        }
    }

    private static let sqliteColumns = columns(withLabels: SQLDialect.sqlite.object(of: "name", "value"))
    private static let postgresColumns = columns(withLabels: SQLDialect.postgres.object(of: "name", "value"))

    private static func columns(withLabels object: String) -> String {
        """
        task.task_key, task.id, task.endpoint, task.state, task.on_uncertain, task.created_at_ms,
        (SELECT \(object) FROM task_label WHERE task_label.task_key = task.task_key) AS labels,
        task.priority, task.not_before_ms, task.deadline_ms, task.remote_id, task.is_partial, task.poll_url,
        task.trace_id, task.progress, task.submitted_at_ms, task.started_at_ms, task.finished_at_ms, task.ended_at_ms,
        task.next_due_at_ms, task.attempts, task.attempt_started_at_ms, task.attempt_ended_at_ms,
        task.attempt_is_probably_refused, task.attempt_absent_readings, task.attempt_first_absent_at_ms, task.polls,
        task.misses, task.first_miss_at_ms, task.failure_code, task.failure_message, task.failure_http_status,
        task.failure_hint, task.resolution, task.model, task.age_from_ms, task.last_pending_at_ms, task.waited_ms,
        task.progress_at_ms, task.slow_at_ms, task.has_own_callback, task.attempt_callback, task.callbacks,
        task.callback_remote_id, task.called_back_at_ms, task.final_callback_at_ms, task.outcome_source,
        task.attempt_clock_drift_ms, task.attempt_clock_lowest_ms, task.attempt_clock_highest_ms, task.response_digest,
        task.attempt_possible_ids, task.callback_attempt, task.note, task.result_count, task.attempt_lease,
        task.retry_of, task.is_pinned, task.removed_parts, task.removed_at_ms, task.account,
        task.capture, task.notify
        """
    }

    package init(_ next: inout ColumnReader) throws {
        let key: Int64 = next()
        let id = next.taskID()
        let text: (endpoint: String, state: String, onUncertain: String) = (next(), next(), next())
        guard let id, let endpoint = EndpointName(text.endpoint),
            let state = TaskState(rawValue: text.state), let onUncertain = UncertainPolicy(rawValue: text.onUncertain)
        else { throw TaskStoreError.damaged("the row of task \(id?.text ?? "with key \(key)") cannot be read") }
        var task = TrackedTask(
            id: id, endpoint: endpoint, state: state, createdAt: Timestamp(milliseconds: next()),
            onUncertain: onUncertain, labels: try LabelsColumn.read(next()), priority: next(), notBefore: next.time(),
            deadline: next.time(), remoteID: (next.optional() as String?).flatMap { RemoteTaskID($0) })
        task.isPartial = next()
        task.pollURL = next.optional()
        task.traceID = next.optional()
        task.progress = next.optional()
        task.submittedAt = next.time()
        task.startedAt = next.time()
        task.finishedAt = next.time()
        task.endedAt = next.time()
        task.nextDueAt = next.time()
        task.attempts = next()
        task.attempt = Self.attempt(number: task.attempts, &next)
        task.polls = next()
        task.notFoundCount = next()
        task.firstMissAt = next.time()
        task.failure = Self.failure(&next)
        task.resolution = (next.optional() as String?).flatMap(Resolution.init(rawValue:))
        task.model = next.optional()
        task.ageFrom = next.time()
        task.lastPendingAt = next.time()
        task.waited = (next.optional() as Int64?).map { .milliseconds($0) }
        task.progressAt = next.time()
        task.slowAt = next.time()
        task.hasOwnCallback = next()
        let callback = (next.optional() as [UInt8]?).flatMap { CallbackDigest($0) }
        task.attempt?.callback = callback
        task.callbacks = CallbackRecord(
            count: next(), remoteID: (next.optional() as String?).flatMap { RemoteTaskID($0) }, latestAt: next.time(),
            finalAt: next.time())
        task.outcomeSource = (next.optional() as String?).flatMap(OutcomeSource.init(rawValue:))
        let (drift, lowest, highest): (Int64, Int64, Int64) = (next(), next(), next())
        task.attempt?.clock = ClockDrift(
            sum: .milliseconds(drift), lowest: .milliseconds(lowest), highest: .milliseconds(highest))
        let recordDigest: Int64? = next.optional()
        let possibleIDs: String? = next.optional()
        if let possibleIDs { task.attempt?.possibleIDs = try PossibleIDsColumn.read(possibleIDs) }
        task.callbacks.attempt = next.optional()
        task.note = next.optional()
        task.resultCount = next.optional()
        let lease: [UInt8]? = next.optional()
        task.attempt?.lease = lease.flatMap { LeaseToken($0) }
        task.retryOf = (next.optional() as String?).flatMap { TaskID($0) }
        task.isPinned = next()
        let parts = RemovedDetails.Parts(rawValue: next())
        task.removed = next.time().map { RemovedDetails(parts: parts, at: $0) }
        task.account = AccountName(stored: next())
        task.capturesResults = next()
        task.notify = next.optional()
        self.init(key: key, task: task, recordDigest: recordDigest)
    }

    private static func attempt(number: Int, _ next: inout ColumnReader) -> Attempt? {
        let (startedAt, endedAt) = (next.time(), next.time())
        let (isProbablyRefused, absentReadings): (Bool, Int) = (next(), next())
        let firstAbsentAt = next.time()
        return startedAt.map { startedAt in
            Attempt(
                number: number, startedAt: startedAt, endedAt: endedAt, isProbablyRefused: isProbablyRefused,
                absentReadings: absentReadings, firstAbsentAt: firstAbsentAt)
        }
    }

    private static func failure(_ next: inout ColumnReader) -> TaskFailure? {
        let (code, message): (String?, String?) = (next.optional(), next.optional())
        let (httpStatus, hint): (Int?, String?) = (next.optional(), next.optional())
        return code.map { TaskFailure(code: $0, message: message ?? "", httpStatus: httpStatus, hint: hint) }
    }

    /// The columns that never change after the insert, in the order of ``fixedValues(of:)``.
    static let fixedColumns = [
        "id", "endpoint", "service", "priority", "on_uncertain", "created_at_ms", "not_before_ms", "model",
        "has_own_callback", "retry_of", "capture", "notify",
    ]

    /// The values of the columns that never change.
    static func fixedValues(of task: TrackedTask) -> [ColumnValue] {
        [
            .text(task.id.text), .text(task.endpoint.text), .text(task.endpoint.service.text),
            ColumnValue(task.priority),
            .text(task.onUncertain.rawValue), ColumnValue(task.createdAt), ColumnValue(task.notBefore),
            ColumnValue(task.model), ColumnValue(task.hasOwnCallback), ColumnValue(task.retryOf?.text),
            ColumnValue(task.capturesResults),
            ColumnValue(task.notify),
        ]
    }

    /// The columns that an event can change, in the order of ``mutableValues(of:recordDigest:)``.
    static let mutableColumns = [
        "state", "is_partial", "remote_id", "poll_url", "trace_id",
        "progress", "submitted_at_ms", "started_at_ms", "finished_at_ms", "ended_at_ms",
        "deadline_ms", "next_due_at_ms", "attempts", "attempt_started_at_ms", "attempt_ended_at_ms",
        "attempt_is_probably_refused", "attempt_absent_readings", "attempt_first_absent_at_ms", "polls", "misses",
        "first_miss_at_ms", "failure_code", "failure_message", "failure_http_status", "failure_hint",
        "resolution", "age_from_ms", "last_pending_at_ms", "waited_ms", "progress_at_ms", "slow_at_ms",
        "attempt_callback", "callbacks", "callback_remote_id", "called_back_at_ms", "final_callback_at_ms",
        "outcome_source", "attempt_clock_drift_ms", "attempt_clock_lowest_ms", "attempt_clock_highest_ms",
        "response_digest", "attempt_possible_ids", "callback_attempt", "result_count", "attempt_lease",
        "note", "is_pinned", "removed_parts", "removed_at_ms", "account",
    ]

    /// The values of the columns that an event can change.
    static func mutableValues(of task: TrackedTask, recordDigest: Int64?) -> [ColumnValue] {
        [
            .text(task.state.rawValue), ColumnValue(task.isPartial), ColumnValue(task.remoteID?.text),
            ColumnValue(task.pollURL), ColumnValue(task.traceID), ColumnValue(task.progress),
            ColumnValue(task.submittedAt), ColumnValue(task.startedAt), ColumnValue(task.finishedAt),
            ColumnValue(task.endedAt), ColumnValue(task.deadline), ColumnValue(task.nextDueAt),
            ColumnValue(task.attempts), ColumnValue(task.attempt?.startedAt), ColumnValue(task.attempt?.endedAt),
            ColumnValue(task.attempt?.isProbablyRefused ?? false), ColumnValue(task.attempt?.absentReadings ?? 0),
            ColumnValue(task.attempt?.firstAbsentAt), ColumnValue(task.polls), ColumnValue(task.notFoundCount),
            ColumnValue(task.firstMissAt), ColumnValue(task.failure?.code), ColumnValue(task.failure?.message),
            ColumnValue(task.failure?.httpStatus), ColumnValue(task.failure?.hint),
            ColumnValue(task.resolution?.rawValue), ColumnValue(task.ageFrom), ColumnValue(task.lastPendingAt),
            ColumnValue(task.waited?.wholeMilliseconds), ColumnValue(task.progressAt), ColumnValue(task.slowAt),
            ColumnValue(task.attempt?.callback?.bytes), ColumnValue(task.callbacks.count),
            ColumnValue(task.callbacks.remoteID?.text), ColumnValue(task.callbacks.latestAt),
            ColumnValue(task.callbacks.finalAt), ColumnValue(task.outcomeSource?.rawValue),
            ColumnValue(task.attempt?.clock.sum.wholeMilliseconds ?? 0),
            ColumnValue(task.attempt?.clock.lowest.wholeMilliseconds ?? 0),
            ColumnValue(task.attempt?.clock.highest.wholeMilliseconds ?? 0), ColumnValue(recordDigest),
            ColumnValue(task.attempt.flatMap { PossibleIDsColumn.text(of: $0.possibleIDs) }),
            ColumnValue(task.callbacks.attempt), ColumnValue(task.resultCount),
            ColumnValue(task.attempt?.lease?.bytes), ColumnValue(task.note), ColumnValue(task.isPinned),
            ColumnValue(task.removed?.parts.rawValue ?? 0), ColumnValue(task.removed?.at), .text(task.account.text),
        ]
    }
}

/// A task, followed by its documents and the length of what is in files.
extension TaskTexts: ColumnDecodable {
    package init(_ columns: inout ColumnReader) throws {
        let row = try TaskRow(&columns)
        let (request, response): (String?, String?) = (columns.optional(), columns.optional())
        let partBytes: Int = columns.optional() ?? 0
        self.init(
            key: row.key, task: row.task, request: request ?? "null", response: response, partBytes: partBytes,
            bytes: columns.bytesRead + partBytes)
    }
}

extension TaskState {
    /// The state as an SQL literal, for comparisons.
    ///
    /// Many indexes are partial by state. With the state as an argument, SQLite would compile the statement again each
    /// time the argument is set, to check whether such an index is usable. Compiling takes as long as running it.
    /// See the note on sqlite3_prepare_v2 in https://sqlite.org/c3ref/prepare.html.
    var literal: String { "'\(rawValue)'" }
}
