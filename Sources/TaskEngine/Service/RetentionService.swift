import Logging
import ProviderCatalog
package import TaskModel
import TaskStore

/// RetentionService pins tasks, and removes the details of ended ones on a person's word.
package struct RetentionService: Sendable {
    /// What a sweep has removed, or would remove.
    package struct Report: Sendable, Hashable {
        /// Tasks that lose all details.
        package let tasks: Int
        /// Tasks that lose their record and results only.
        package let responses: Int
        /// Lines of the log.
        package let events: Int
        /// Idempotency keys.
        package let keys: Int
        /// Tasks without details that are removed as a whole.
        package let stubs: Int
        /// The length of texts.
        package let bytes: Int64
        /// Whether all of it was done; false if the daemon is stopping. The rest goes with a later sweep.
        package let isComplete: Bool
    }

    let store: TaskStore
    @Current var policy: RetentionPolicy
    let hold: StartHold
    let startCheck: StartCheck
    let storage: StorageMonitor
    let feed: EventFeed
    let time: any TimeSource
    let logger: Logger

    /// Runs a whole sweep now, or counts what it would remove. Nil if no retention is set.
    package func prune(isDryRun: Bool) async throws(TaskServiceError) -> Report? {
        guard !policy.isOff else { return nil }
        // What a copy still has may be needed to recognise what was paid for since.
        guard isDryRun || hold.mode == nil else { throw .store(.restored) }
        var sweep = RetentionSweep(policy, keepingStubs: startCheck.isPending, at: time.now())
        while !sweep.isOver, !feed.isClosing, !Task.isCancelled {
            do throws(TaskStoreError) {
                sweep = try await store.advance(sweep, isDryRun: isDryRun, at: time.now())
            } catch {
                throw failed(error)
            }
        }
        if !isDryRun { logger.noteRemoval(sweep.count) }
        let count = sweep.count
        return Report(
            tasks: count.tasks, responses: count.responses, events: count.events, keys: count.keys, stubs: count.stubs,
            bytes: count.bytes, isComplete: sweep.isOver)
    }

    /// Removes the details of an ended task at once. Its id, state, labels, key and remote id stay.
    package func delete(_ id: TaskID) async throws(TaskServiceError) {
        try await change(id) { () async throws(TaskStoreError) in
            try await store.removeDetails(of: id, at: time.now())
        }
    }

    /// Keeps the details of a task from every removal, or no longer.
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
