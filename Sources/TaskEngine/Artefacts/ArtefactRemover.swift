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
        let areFilesGone = try await removeAll(store.artefactsToRemove(limit:)) { await remove($0) }
        let arePartsGone = try await removeAll(store.partsToRemove(limit:)) { await removePart($0) }
        return now + .seconds(areFilesGone && arePartsGone ? 600 : 60)
    }

    /// Removes all that `read` returns; false if something has to wait. It keeps nothing else from being removed.
    private func removeAll<Marked: Hashable>(
        _ read: (Int) async throws(TaskStoreError) -> [Marked], _ remove: (Marked) async -> Bool
    ) async throws(TaskStoreError) -> Bool {
        var stuck: Set<Marked> = []
        while stuck.count < Self.batchSize, !Task.isCancelled {
            let marked = try await read(Self.batchSize + stuck.count).filter { !stuck.contains($0) }
            if marked.isEmpty { return stuck.isEmpty }
            for one in marked where await !remove(one) { stuck.insert(one) }
        }
        return false
    }

    package func perform(_ work: Artefact) async {}

    /// Removes a marked file; false if that has to wait.
    func remove(_ artefact: Artefact) async -> Bool {
        guard let object = artefact.object else { return true }
        passed(.afterMark)
        guard await removeFile(artefact, object) else { return false }
        do throws(TaskStoreError) {
            try await store.noteRemoval(of: artefact)
            return true
        } catch {
            logger.error("The removal of a file of \(artefact.id.task) could not be noted: \(error.message)")
            return false
        }
    }

    /// Removes a file that no result has; false if that has to wait.
    func removeFile(_ artefact: Artefact, _ object: Artefact.Object) async -> Bool {
        do throws(ArtefactFailure) {
            try await downloads.remove(artefact, object) { () throws(ArtefactFailure) in
                try await asking { () async throws(TaskStoreError) in try await store.object(object.sha256) != nil }
            }
            return true
        } catch {
            logger.warning("A file of \(artefact.id.task) is not removed yet: \(error.message)")
            return false
        }
    }

    /// Removes the file of a long value unless a record has it; false if that has to wait.
    private func removePart(_ digest: String) async -> Bool {
        do throws(ArtefactFailure) {
            try await downloads.removePart(digest) { () throws(ArtefactFailure) in
                try await asking { () async throws(TaskStoreError) in try await store.keepsPart(digest) }
            } removed: { () throws(ArtefactFailure) in
                try await asking { () async throws(TaskStoreError) in try await store.notePartRemoval(of: digest) }
            }
            return true
        } catch {
            logger.debug("The file \(digest) of a record is not removed yet: \(error.message)")
            return false
        }
    }
}
