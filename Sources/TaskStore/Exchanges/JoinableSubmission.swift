package import TaskModel
import VerbatimJSON

/// JoinableSubmission is a submission of an agent that an equal one may join.
///
/// Agents repeat a call whose reply they did not receive. The daemon cannot see whether one did, so the agent's next read of
/// the ended task counts as the receipt.
package struct JoinableSubmission: Sendable, Hashable {
    /// The row key of its task.
    package let key: Int64
    package let task: TaskID
    /// The end of the task that the agent was shown.
    package let collectedEnd: Timestamp?

    package init(key: Int64, task: TaskID, collectedEnd: Timestamp?) {
        self.key = key
        self.task = task
        self.collectedEnd = collectedEnd
    }

    /// How long after its end an uncollected task is joined.
    package static let window: Duration = .seconds(600)

    /// Whether an equal submission joins the task: while it is open, and for a while after an end that is not collected.
    ///
    /// A second end, of a task that was reopened, is not collected with the first.
    package static func mayBeJoined(endedAt: Timestamp?, collectedEnd: Timestamp?, at now: Timestamp) -> Bool {
        guard let endedAt else { return true }
        return collectedEnd != endedAt && now - endedAt <= window
    }
}

extension TaskStore {
    /// Notes that the agent was shown the end of a task. A task that is open is left alone.
    package func collect(_ id: TaskID) async throws(TaskStoreError) {
        try await write("collect") { transaction in
            guard let row = try transaction.tasks([id]).first, let end = row.task.end else { return }
            try transaction.noteCollection(of: end, key: row.key)
        }
    }
}

extension ChangeSet {
    /// The task that a submission with this content joins, with a line in its log; nil if the submission means a new task.
    ///
    /// Forgets equal submissions that can be joined no more, so that their number stays small.
    mutating func join(_ contentKey: [UInt8], of new: TrackedTask, mayJoin: Bool) throws -> TaskID? {
        let now = new.createdAt
        let known = try transaction.joinable(with: contentKey)
        let rows = Dictionary(try transaction.tasks(known.map(\.task)).map { ($0.key, $0) }) { first, _ in first }
        var joined: TaskRow?
        var over: [Int64] = []
        for submission in known {
            guard let row = rows[submission.key] else { continue }
            if JoinableSubmission.mayBeJoined(endedAt: row.task.end, collectedEnd: submission.collectedEnd, at: now) {
                // The newest: the reply of the latest call is the most likely to be lost.
                joined = row
            } else {
                over.append(submission.key)
            }
        }
        try transaction.dropJoinable(over)
        guard mayJoin, let joined else { return nil }
        append(
            TaskLogEntry(at: now, kind: "joined", from: joined.task.state, to: joined.task.state, detail: JSONObject()),
            of: joined.key, about: joined.task)
        return joined.task.id
    }
}

extension TrackedTask {
    /// When it ended; nil while it is open.
    fileprivate var end: Timestamp? { state.hasEnded ? endedAt ?? createdAt : nil }
}
