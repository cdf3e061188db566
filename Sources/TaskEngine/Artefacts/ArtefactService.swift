import ProviderCatalog
package import TaskModel
import TaskStore

/// ArtefactService shows the files of results, and has them fetched on a program's or a person's word.
package struct ArtefactService: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let downloads: any ArtefactDownloads
    let storage: StorageMonitor
    let wakes: WakeSignals
    let time: any TimeSource

    /// The directory of all files.
    package var directory: String { downloads.directory }

    /// The file with that SHA-256, and its path.
    package func file(_ sha256: String) async throws(TaskServiceError) -> (object: Artefact.Object, path: String) {
        do throws(TaskStoreError) {
            let file = downloads.file(of: sha256)
            if sha256.isDigest, let object = try await store.object(sha256), file.exists { return (object, file.path) }
        } catch {
            throw .store(error)
        }
        throw .artefactNotFound(sha256)
    }

    /// Has every file of the task's results fetched that is not on disk, also those that were refused or are gone.
    ///
    /// Works without capture, and for tasks that have succeeded before there was any.
    package func fetch(_ stored: TaskWithPayload) async throws(TaskServiceError) {
        let task = stored.task
        guard let profile = catalog.endpoint(task.endpoint), task.state == .succeeded else {
            throw .nothingToFetch(task.id)
        }
        let now = time.now()
        let files = ArtefactFetcher.files(of: stored, profile, at: now)
        guard !files.isEmpty else { throw .nothingToFetch(task.id) }
        do throws(TaskStoreError) {
            try await store.insert(files)
            for artefact in try await store.artefacts(of: task.id) {
                if let object = artefact.object, downloads.file(of: object.sha256).exists { continue }
                try await store.retry(artefact, at: now)
            }
        } catch {
            storage.noteFailedWrite(error)
            throw .store(error)
        }
        wakes.artefacts.signal()
    }
}

extension String {
    /// Whether it is a SHA-256 in hexadecimal digits, as it names a file.
    fileprivate var isDigest: Bool {
        utf8.count == 64
            && utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }
}
