import Logging
package import TaskModel
import TaskStore

/// RestoreService shows what may have been sent since the database was copied, and lets a person accept it.
package struct RestoreService: Sendable {
    /// The restore that waits for a person.
    package struct Report: Sendable {
        package let mode: RestoredMode
        /// Tasks that may have been sent and were not found yet, oldest first; at most ``most``.
        package let uncertain: [TrackedTask]
        /// How many tasks wait to be sent, submitted since.
        package let queued: Int
        /// Records of the provider that no task owns; at most ``most``.
        package var unowned: [UnownedRecord] = []
        /// The services whose lists could not be read to their ends for that.
        package var unread: [ServiceName] = []
    }

    /// The most tasks that a report lists.
    package static let most = 500
    /// The most uncertain tasks that are looked through for a report.
    private static let mostRead = 100_000

    let store: TaskStore
    let hold: StartHold
    let records: UnownedRecordSearch
    let random: EngineRandom
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// What there is to decide; nil if the database is no copy.
    package func report() async throws(TaskServiceError) -> Report? {
        guard let mode = hold.mode else { return nil }
        do throws(TaskStoreError) {
            let counts = try await store.counts().filter { $0.state == .queued }
            return Report(
                mode: mode,
                uncertain: Array(
                    try await store.tasks(in: .uncertain, limit: Self.mostRead).filter(\.wasPerhapsSent).prefix(
                        Self.most)),
                queued: counts.reduce(0) { $0 + $1.count })
        } catch {
            throw .store(error)
        }
    }

    /// The same with what the providers list and no task owns, which takes some requests to them.
    package func fullReport() async throws(TaskServiceError) -> Report? {
        guard var report = try await report() else { return nil }
        do throws(TaskStoreError) {
            let (found, unread) = try await records.find(in: report.mode)
            report.unowned = Array(found.prefix(Self.most))
            report.unread = unread
        } catch {
            throw .store(error)
        }
        return report
    }

    /// Searches from another time on. Returns nil if the database is no copy.
    package func move(since: Timestamp) async throws(TaskServiceError) -> Report? {
        guard hold.beginDecision() else { return try await report() }
        defer { hold.endDecision() }
        do throws(TaskStoreError) {
            if let mode = try await store.moveRestore(since: since, at: time.now()) { hold.set(mode) }
        } catch {
            throw .store(error)
        }
        wakes.signalAll()
        return try await report()
    }

    /// Sends what was not found, which counts as a person's decision for each of these tasks, and ends the mode. Returns how
    /// many are sent again; nil if the database is no copy.
    package func accept() async throws(TaskServiceError) -> Int? {
        guard hold.mode != nil, hold.beginDecision() else { return nil }
        defer { hold.endDecision() }
        let count: Int
        do throws(TaskStoreError) {
            count = try await store.acceptRestore(newEpoch: random.epoch(), at: time.now())
        } catch {
            throw .store(error)
        }
        hold.set(nil)
        logger.notice("The restore was accepted. \(count) task(s) that may have been sent are sent again.")
        wakes.signalAll()
        return count
    }
}
