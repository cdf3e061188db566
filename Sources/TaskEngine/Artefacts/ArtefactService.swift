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
        let object: Artefact.Object?
        do throws(TaskStoreError) {
            object = sha256.isDigest ? try await store.object(sha256) : nil
        } catch {
            throw .store(error)
        }
        guard let object, let path = try path(of: object) else { throw .artefactNotFound(sha256) }
        return (object, path)
    }

    /// The path of a file; nil if it is missing.
    private func path(of object: Artefact.Object) throws(TaskServiceError) -> String? {
        do throws(ArtefactFailure) { return try downloads.file(of: object.sha256) } catch {
            throw .artefactsUnavailable(error.message)
        }
    }

    /// The saved file of a task that has one result; nil if it is not on disk, or if there are several.
    package func onlyFile(of task: TaskID) async throws(TaskServiceError) -> (object: Artefact.Object, path: String)? {
        let all: [Artefact]
        do throws(TaskStoreError) { all = try await store.artefacts(of: task) } catch { throw .store(error) }
        guard all.count == 1, let object = all.first?.object else { return nil }
        return try path(of: object).map { (object, $0) }
    }

    /// The saved file of that result of a task; nil if there is none.
    package func object(of task: TaskID, at ordinal: Int) async throws(TaskServiceError) -> Artefact.Object? {
        do throws(TaskStoreError) {
            return try await store.artefacts(of: task).first { $0.id.ordinal == ordinal }?.object
        } catch {
            throw .store(error)
        }
    }

    /// What `status` shows of the files.
    package struct Report: Sendable, Hashable {
        package let directory: String
        /// How many bytes all files have; nil if the directory cannot be read at the moment.
        package let used: Int64?
        /// How many they may have.
        package let quota: Int64?
        /// How many files are to be fetched.
        package let waiting: Int
        /// How many of those have no room on disk.
        package let withoutRoom: Int
        /// Why nothing is fetched or removed, as a sentence; nil if nothing is wrong.
        package let problem: String?
    }

    package func report() async throws(TaskServiceError) -> Report {
        let counts: ArtefactCounts
        do throws(TaskStoreError) { counts = try await store.artefactCounts() } catch { throw .store(error) }
        var (usage, problem): ((used: Int64, quota: Int64)?, String?)
        do throws(ArtefactFailure) { usage = try await downloads.usage() } catch { problem = error.message }
        return Report(
            directory: downloads.directory, used: usage?.used, quota: usage?.quota, waiting: counts.waiting,
            withoutRoom: counts.withoutRoom, problem: problem)
    }

    /// Notes that a client has had the whole file. Such files make room for others first.
    package func noteDelivery(of sha256: String) async {
        do throws(TaskStoreError) { try await store.noteDelivery(of: sha256, at: time.now()) } catch {
            // The file stays longer than it needs to.
            storage.noteFailedWrite(error)
        }
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
        let known: [Artefact]
        do throws(TaskStoreError) {
            try await store.insert(files)
            known = try await store.artefacts(of: task.id)
        } catch {
            storage.noteFailedWrite(error)
            throw .store(error)
        }
        for artefact in known {
            if let object = artefact.object, try path(of: object) != nil { continue }
            try await retry(artefact, at: now)
        }
        wakes.artefacts.signal()
    }

    private func retry(_ artefact: Artefact, at now: Timestamp) async throws(TaskServiceError) {
        do throws(TaskStoreError) { try await store.retry(artefact, at: now) } catch {
            storage.noteFailedWrite(error)
            throw .store(error)
        }
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
