import ProviderCatalog
package import TaskModel
import TaskStore
import VerbatimJSON

extension TaskService {
    /// The task with that id.
    package func task(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        do throws(TaskStoreError) {
            if let stored = try await store.taskWithPayload(id) { return stored }
        } catch {
            throw .store(error)
        }
        throw .taskNotFound(id.text)
    }

    /// The task once it has ended, or its current state when the time is over or the daemon stops.
    ///
    /// If too many clients wait, changes of the task do not wake this one. It then gets the task after `patience`, at
    /// most five seconds, so that it does not repeat the call immediately.
    package func task(_ id: TaskID, waitingFor patience: Duration) async throws(TaskServiceError) -> TaskWithPayload {
        let first = try await task(id)
        guard patience > .zero, !first.task.state.hasEnded, !feed.isClosing else { return first }
        guard let place = feed.subscribe(to: id) else {
            return try await task(id, after: min(patience, feed.waitWithoutPlace))
        }
        defer { feed.end(place) }
        let until = time.now() + patience
        while true {
            let stored = try await task(id)
            let isOver = time.now() >= until || feed.isClosing || Task.isCancelled
            if stored.task.state.hasEnded || isOver { return stored }
            await place.wake.wait(until: until, on: time)
        }
    }

    /// The task after that time; earlier if the daemon stops or the client disconnects.
    private func task(_ id: TaskID, after pause: Duration) async throws(TaskServiceError) -> TaskWithPayload {
        let closing = feed.subscribeToClosing()
        defer { feed.end(closing) }
        if !feed.isClosing {
            await closing.wake.wait(until: time.now() + pause, on: time)
        }
        return try await task(id)
    }

    /// The results of a task; empty until it has succeeded.
    package func results(of stored: TaskWithPayload) -> [TaskResult] {
        if let results = stored.payload.results { return results }
        // Tasks that succeeded before schema 13 have no stored results. The current definition extracts them.
        guard stored.task.state == .succeeded, let record = stored.payload.response else { return [] }
        // If the endpoint is no longer defined, the general rules apply.
        let profile =
            catalog.endpoint(stored.task.endpoint) ?? EndpointProfile(undefined: stored.task.endpoint)
        return profile.dialect.results(in: record, of: stored.task.remoteID)
    }

    /// Begins the shutdown: no further paid request starts, and all waits end.
    package func beginShutdown() {
        feed.close()
    }

    /// A page of tasks, newest first.
    package func tasks(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int, with documents: ListedDocuments = .all
    ) async throws(TaskServiceError) -> TaskListing {
        do throws(TaskStoreError) {
            return try await store.tasks(matching: filter, after: cursor, limit: limit, with: documents)
        } catch {
            throw .store(error)
        }
    }

    /// The number of tasks that the filter selects.
    package func count(matching filter: TaskFilter) async throws(TaskServiceError) -> FilteredCount {
        do throws(TaskStoreError) { return try await store.count(matching: filter) } catch { throw .store(error) }
    }

    /// The names of labels that tasks have, or the values of the label with that name; those with that prefix.
    package func labels(
        named name: String?, withPrefix prefix: String, limit: Int
    ) async throws(TaskServiceError) -> [String] {
        do throws(TaskStoreError) {
            return try await store.labels(named: name, withPrefix: prefix, limit: limit)
        } catch {
            throw .store(error)
        }
    }

    /// A page of a task's log, oldest first.
    package func events(
        of id: TaskID, after sequence: Int64, limit: Int
    ) async throws(TaskServiceError) -> [StoredEvent] {
        do throws(TaskStoreError) {
            if try await store.task(id) != nil {
                return try await store.events(of: id, after: sequence, limit: limit)
            }
        } catch {
            throw .store(error)
        }
        throw .taskNotFound(id.text)
    }

    /// Which details of the task were removed; nil if none were.
    package func removedDetails(of id: TaskID) async throws(TaskServiceError) -> RemovedDetails? {
        do throws(TaskStoreError) { return try await store.task(id)?.removed } catch { throw .store(error) }
    }

    /// The id for a text: a whole id, known or not, or the only known id with this prefix.
    ///
    /// Callers parse a text once, when it enters the process.
    package func id(of text: String) async throws(TaskServiceError) -> TaskID {
        if let id = TaskID(text) { return id }
        guard TaskID.isPrefix(text) else { throw .taskNotFound(text) }
        let candidates: [TaskID]
        do throws(TaskStoreError) {
            candidates = try await store.ids(withPrefix: text, limit: 4)
        } catch {
            throw .store(error)
        }
        guard let first = candidates.first else { throw .taskNotFound(text) }
        guard candidates.count == 1 else { throw .ambiguousID(text, candidates: candidates) }
        return first
    }
}
