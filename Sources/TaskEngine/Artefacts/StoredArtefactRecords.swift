import TaskStore

/// What the store knows about files on disk. Its errors become reasons to try again later.
struct StoredArtefactRecords: ArtefactRecords {
    let store: TaskStore

    func directoryID() async throws(ArtefactFailure) -> String? {
        try await asking { () async throws(TaskStoreError) in try await store.artefactDirectory() }
    }

    func put(directoryID: String) async throws(ArtefactFailure) {
        try await asking { () async throws(TaskStoreError) in try await store.put(artefactDirectory: directoryID) }
    }

    func hasFiles() async throws(ArtefactFailure) -> Bool {
        try await asking { () async throws(TaskStoreError) in try await store.hasFiles() }
    }

    func orphans(among digests: [String]) async throws(ArtefactFailure) -> [String] {
        try await asking { () async throws(TaskStoreError) in try await store.orphans(among: digests) }
    }

    func orphanParts(among digests: [String]) async throws(ArtefactFailure) -> [String] {
        try await asking { () async throws(TaskStoreError) in try await store.orphanParts(among: digests) }
    }
}

/// Turns an error of the store into a reason to try again later.
func asking<Value>(
    _ body: () async throws(TaskStoreError) -> Value
) async throws(ArtefactFailure) -> Value {
    do throws(TaskStoreError) { return try await body() } catch { throw .later(error.message) }
}
