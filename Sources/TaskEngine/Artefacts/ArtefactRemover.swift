import Logging
package import TaskModel
package import TaskStore

/// ArtefactRemover removes the files of results that are marked for it: by retention, to make room, or with their task.
///
/// A file goes after its mark is on disk, and is noted as removed after it is gone. A crash in between repeats the removal.
package struct ArtefactRemover: Worker {
    let store: TaskStore
    let downloads: any ArtefactDownloads
    let wakes: WakeSignals
    let logger: Logger
    let passed: @Sendable (CrashPoint) -> Void

    package var wake: WakeSignal { wakes.artefactRemoval }

    private static let batchSize = 64

    package func claim(into work: inout [Artefact], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        for artefact in try await store.artefactsToRemove(limit: Self.batchSize) {
            if await remove(artefact) == false { return now + .seconds(60) }
        }
        return try await store.artefactsToRemove(limit: 1).isEmpty ? now + .seconds(600) : now
    }

    package func perform(_ work: Artefact) async {}

    /// Removes a marked file; false if that has to wait.
    func remove(_ artefact: Artefact) async -> Bool {
        guard let object = artefact.object else { return true }
        passed(.afterMark)
        guard await removeFile(object, of: artefact.id.task) else { return false }
        do throws(TaskStoreError) {
            try await store.noteRemoval(of: artefact)
            return true
        } catch {
            logger.error("The removal of a file of \(artefact.id.task) could not be noted: \(error.message)")
            return false
        }
    }

    /// Removes a file that no result has; false if that has to wait.
    func removeFile(_ object: Artefact.Object, of task: TaskID) async -> Bool {
        do throws(ArtefactFailure) {
            try await downloads.remove(object) { () throws(ArtefactFailure) in
                do throws(TaskStoreError) { return try await store.object(object.sha256) != nil } catch {
                    throw .later(error.message)
                }
            }
            return true
        } catch {
            logger.warning("A file of \(task) is not removed yet: \(error.message)")
            return false
        }
    }
}
