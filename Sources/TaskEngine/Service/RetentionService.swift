import Logging
import ProviderCatalog
package import TaskModel
import TaskStore

/// Pins tasks, and removes details of ended tasks on request.
package struct RetentionService: Sendable {
    /// The removals of a sweep, or those it would make.
    package struct Report: Sendable, Hashable {
        /// The number of tasks that lose all details.
        package let tasks: Int
        /// The number of tasks that lose their record and results only.
        package let responses: Int
        /// The number of lines of the log.
        package let events: Int
        /// The number of idempotency keys.
        package let keys: Int
        /// The number of tasks without details that are removed as a whole.
        package let stubs: Int
        /// The number of lines of the ledger.
        package let ledger: Int
        /// Files of results, and their length.
        package let files: Int
        package let fileBytes: Int64
        /// The length of texts in bytes.
        package let bytes: Int64
        /// Whether the sweep finished; false if the daemon is stopping. A later sweep removes the rest.
        package let isComplete: Bool
    }

    let store: TaskStore
    @Current var policy: RetentionPolicy
    let hold: StartHold
    let startCheck: StartCheck
    let storage: StorageMonitor
    let feed: EventFeed
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// Runs a whole sweep now, or counts its removals. Nil if no retention is set.
    package func prune(isDryRun: Bool) async throws(TaskServiceError) -> Report? {
        guard !policy.isOff else { return nil }
        // The details in a copy may be needed to recognise requests that were paid for since.
        guard isDryRun || hold.mode == nil else { throw .store(.restored) }
        var sweep = RetentionSweep(policy, keepingStubs: startCheck.isPending, at: time.now())
        while !sweep.isOver, !feed.isClosing, !Task.isCancelled {
            do throws(TaskStoreError) {
                sweep = try await store.advance(sweep, isDryRun: isDryRun, at: time.now())
            } catch {
                throw failed(error)
            }
        }
        if !isDryRun {
            logger.noteRemoval(sweep.count)
            wakes.artefactRemoval.signal()
        }
        let count = sweep.count
        return Report(
            tasks: count.tasks, responses: count.responses, events: count.events, keys: count.keys, stubs: count.stubs,
            ledger: count.ledger,
            files: count.files, fileBytes: count.fileBytes, bytes: count.bytes, isComplete: sweep.isOver)
    }

    /// Removes the details of an ended task and the files of its results at once. Its id, state, labels, key and remote id stay.
    package func delete(_ id: TaskID) async throws(TaskServiceError) {
        try await change(id) { () async throws(TaskStoreError) in
            try await store.removeDetails(of: id, at: time.now())
        }
        wakes.artefactRemoval.signal()
    }

    /// Pins or unpins the details of a task.
    package func pin(_ id: TaskID, _ isPinned: Bool) async throws(TaskServiceError) {
        try await change(id) { () async throws(TaskStoreError) in try await store.setPinned(isPinned, id) }
    }

    private func change(
        _ id: TaskID, _ body: () async throws(TaskStoreError) -> DetailChange?
    ) async throws(TaskServiceError) {
        let change: DetailChange?
        do throws(TaskStoreError) { change = try await body() } catch { throw failed(error) }
        switch change {
        case .made: return
        case .refused(let refusal, let task): throw .refused(refusal, task)
        case nil: throw .taskNotFound(id.text)
        }
    }

    private func failed(_ error: TaskStoreError) -> TaskServiceError {
        storage.noteFailedWrite(error)
        return .store(error)
    }
}
