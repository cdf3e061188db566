package import TaskModel
package import VerbatimJSON

extension TaskStore {
    /// The owner of a callback token and its earlier deliveries; nil for an unknown token.
    package func owner(of digest: CallbackDigest) async throws(TaskStoreError) -> CallbackOwner? {
        try await read("owner") { rows in
            // An index comparison stops at the first difference, so this compares the whole digest again.
            try rows.tokens([digest]).first { $0.digest == digest }?.owner
        }
    }

    /// The best delivered body of the task that reports an end: success before failure, then the latest. A failure
    /// counts only if the latest attempt has reported an end. A failure of an earlier attempt says nothing about the
    /// latest.
    package func deliveredOutcome(of id: TaskID) async throws(TaskStoreError) -> JSONValue? {
        try await read("deliveredOutcome") { rows in
            guard let (body, latestIsFinal) = try rows.bodies(of: [id]).first, body.isSuccess || latestIsFinal else {
                return nil
            }
            return try JSONValue(parsing: Array(body.body.utf8), limits: .lenient)
        }
    }
}
