import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Submissions of agents that equal ones join.
extension SQLiteTransaction {
    func joinable(with contentKey: [UInt8]) throws -> [JoinableSubmission] {
        try JoinableSubmission.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT task_key, id, collected_end_ms FROM joinable_submission JOIN task USING (task_key)
                    WHERE content_key = ? ORDER BY task_key DESC LIMIT 1000
                    """), binding: [.blob(contentKey)]
        ).reversed()
    }

    func insertJoinable(_ contentKey: [UInt8], of key: Int64) throws {
        try db.cachedStatement(sql: "INSERT INTO joinable_submission (task_key, content_key) VALUES (?, ?)")
            .execute(binding: .integer(key), .blob(contentKey))
    }

    func noteCollection(of end: Timestamp, key: Int64) throws {
        try db.cachedStatement(sql: "UPDATE joinable_submission SET collected_end_ms = ? WHERE task_key = ?")
            .execute(binding: ColumnValue(end), .integer(key))
    }

    func dropJoinable(_ keys: [Int64]) throws {
        for key in keys {
            try db.cachedStatement(sql: "DELETE FROM joinable_submission WHERE task_key = ?")
                .execute(binding: .integer(key))
        }
    }
}

extension JoinableSubmission: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        let key: Int64 = next()
        guard let task = next.taskID() else {
            throw TaskStoreError.damaged("a submission that may be joined cannot be read")
        }
        let collectedEnd: Int64? = next.optional()
        self.init(key: key, task: task, collectedEnd: collectedEnd.map(Timestamp.init(milliseconds:)))
    }
}
