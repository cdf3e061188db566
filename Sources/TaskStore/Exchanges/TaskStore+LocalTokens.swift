package import TaskModel

/// A token by which local programs get into the gateway. Only its digest is stored.
package struct LocalToken: Sendable, Hashable {
    package let name: String
    package let digest: CallbackDigest
    package let createdAt: Timestamp

    package init(name: String, digest: CallbackDigest, createdAt: Timestamp) {
        self.name = name
        self.digest = digest
        self.createdAt = createdAt
    }
}

extension TaskStore {
    /// All tokens, by name.
    package func localTokens() async throws(TaskStoreError) -> [LocalToken] {
        try await read("localTokens") { try $0.localTokens() }
    }

    /// Stores a token; false if its name is taken.
    package func add(_ token: LocalToken) async throws(TaskStoreError) -> Bool {
        try await write("addLocalToken") { transaction in
            guard try !transaction.localTokens().contains(where: { $0.name == token.name }) else { return false }
            try transaction.insert(token)
            return true
        }
    }

    /// Removes a token; false if there is none of that name.
    package func removeLocalToken(named name: String) async throws(TaskStoreError) -> Bool {
        try await write("removeLocalToken") { transaction in
            guard try transaction.localTokens().contains(where: { $0.name == name }) else { return false }
            try transaction.dropLocalToken(named: name)
            return true
        }
    }
}
