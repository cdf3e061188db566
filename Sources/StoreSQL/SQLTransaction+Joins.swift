package import TaskModel
package import TaskStore

/// Submissions of agents that equal ones join.
extension SQLTransaction {
    package func joinable(with contentKey: [UInt8]) throws -> [JoinableSubmission] {
        try JoinableSubmission.fetchAll(
            connection,
            """
            SELECT task_key, id, collected_end_ms FROM joinable_submission JOIN task USING (task_key)
            WHERE content_key = ? ORDER BY task_key DESC LIMIT 1000
            """, [.blob(contentKey)]
        ).reversed()
    }

    package func insertJoinable(_ contentKey: [UInt8], of key: Int64) throws {
        try connection.execute(
            "INSERT INTO joinable_submission (task_key, content_key) VALUES (?, ?)", [.integer(key), .blob(contentKey)])
    }

    package func noteCollection(of end: Timestamp, key: Int64) throws {
        try connection.execute(
            "UPDATE joinable_submission SET collected_end_ms = ? WHERE task_key = ?", [ColumnValue(end), .integer(key)])
    }

    package func dropJoinable(_ keys: [Int64]) throws {
        for key in keys {
            try connection.execute("DELETE FROM joinable_submission WHERE task_key = ?", [.integer(key)])
        }
    }
}

extension JoinableSubmission: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let key: Int64 = next()
        guard let task = next.taskID() else {
            throw TaskStoreError.damaged("a submission that may be joined cannot be read")
        }
        let collectedEnd: Int64? = next.optional()
        self.init(key: key, task: task, collectedEnd: collectedEnd.map(Timestamp.init(milliseconds:)))
    }
}
