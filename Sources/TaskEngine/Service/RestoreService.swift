import Logging
package import TaskModel
import TaskStore

/// Shows what may have been sent since the database was copied, and lets a person accept the copy.
package struct RestoreService: Sendable {
    /// The restore that a person must decide about.
    package struct Report: Sendable {
        package let mode: RestoredMode
        /// Tasks that may have been sent and were not found yet, oldest first; at most ``most``.
        package let uncertain: [TrackedTask]
        /// The number of tasks that were submitted since and wait to be sent.
        package let queued: Int
        /// Records of the provider that no task owns; at most ``most``.
        package var unowned: [UnownedRecord] = []
        /// The services whose lists could not be read completely for that.
        package var unread: [ServiceName] = []
    }

    /// The maximum number of tasks in a report.
    package static let most = 500
    /// The maximum number of uncertain tasks that are read for a report.
    private static let mostRead = 100_000

    let store: TaskStore
    let hold: StartHold
    let records: UnownedRecordSearch
    let random: EngineRandom
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// The current restore; nil if the database is not a copy.
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

    /// The same with the provider's records that no task owns. It sends some requests to providers.
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

    /// Changes the time from which lists are searched. Returns nil if the database is not a copy.
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

    /// Waits no longer for the journals of these machines, which must be all that are awaited. Their processes may have sent
    /// every queued task, so these are looked up and a person accepts the rest. Returns nil if there is nothing to wait for.
    package func giveUpJournals(of machines: [String]) async throws(TaskServiceError) -> Report? {
        guard hold.beginDecision() else { return try await report() }
        defer { hold.endDecision() }
        guard let awaited = hold.mode?.journals?.awaited else { return try await report() }
        if let unknown = machines.first(where: { machine in !awaited.contains { $0.isNamed(machine) } }) {
            throw .invalidField(
                "without",
                problem: "\"\(unknown)\" is not awaited. Awaited: \(hold.mode?.journals?.words ?? "no machine").")
        }
        let missing = awaited.filter { process in !machines.contains { process.isNamed($0) } }
        guard missing.isEmpty else { throw .journalsAwaited(missing.map(\.name).joined(separator: ", ")) }
        do throws(TaskStoreError) {
            if let mode = try await store.giveUpJournals(at: time.now()) { hold.set(mode) }
        } catch {
            throw .store(error)
        }
        logger.notice(
            "The journals of \(machines.joined(separator: ", ")) were given up. Queued tasks are looked up first.")
        wakes.signalAll()
        return try await report()
    }

    /// Sends the tasks that were not found and ends the mode. It counts as a person's decision for each task. Returns
    /// how many are sent again; nil if the database is not a copy.
    package func accept() async throws(TaskServiceError) -> Int? {
        guard let mode = hold.mode, hold.beginDecision() else { return nil }
        defer { hold.endDecision() }
        if let journals = mode.journals {
            // It ends by itself within seconds.
            guard let names = journals.words else { return nil }
            throw .journalsAwaited(names)
        }
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
