package import TaskModel

/// The content of the witness: the progress of the database, stored outside the database.
package struct WitnessStatement: Sendable, Hashable {
    /// The epoch of the database; a new one begins when a person accepts a restore.
    package var epoch: String
    /// The place of the newest attempt start in the log.
    package var sequence: Int64
    /// When this was written.
    package var at: Timestamp
    /// Whether the file is the one that Pollux wrote, not a copy of it.
    package var isOriginal: Bool

    package init(epoch: String, sequence: Int64, at: Timestamp, isOriginal: Bool = true) {
        self.epoch = epoch
        self.sequence = sequence
        self.at = at
        self.isOriginal = isOriginal
    }
}

/// A file beside the database that shows whether the database was replaced by an older copy.
///
/// It is written after the commit that starts an attempt and before the first byte of its request. So it is never ahead
/// of the database, unless the database is a copy from before that attempt. Tasks in the queue of such a copy may have
/// been paid for since.
package protocol Witness: Sendable {
    /// The current statement; nil if the file is missing or unreadable.
    func read() -> WitnessStatement?
    /// Writes a statement, unless the file has a later one of the same epoch. It is on disk when this returns.
    func write(_ statement: WitnessStatement) async throws(TaskStoreError)
    /// Writes the same statement with a later time, without waiting for the disk. A failure is harmless.
    func refresh(_ statement: WitnessStatement) async
}

/// Updates the witness after the commits that start attempts.
actor WitnessKeeper {
    nonisolated let witness: any Witness
    private var epoch: String?
    private var written: Int64 = 0
    /// The statement that could not be written.
    private var failed: (statement: WitnessStatement, error: TaskStoreError)?

    init(_ witness: any Witness) { self.witness = witness }

    /// Begins to write in that epoch.
    func begin(epoch: String, at sequence: Int64, now: Timestamp) async throws(TaskStoreError) {
        try await witness.write(WitnessStatement(epoch: epoch, sequence: sequence, at: now))
        self.epoch = epoch
        written = sequence
    }

    /// Returns once the witness on disk is at that place or later.
    func secure(_ sequence: Int64, at now: Timestamp) async throws(TaskStoreError) {
        guard written < sequence else { return }
        guard let epoch else { throw .failed("the witness was used before the start was checked") }
        let statement = WitnessStatement(epoch: epoch, sequence: sequence, at: now)
        do throws(TaskStoreError) { try await witness.write(statement) } catch {
            failed = (statement, error)
            throw error
        }
        written = max(written, sequence)
        failed = nil
    }

    /// Writes the time, so that a start knows when the daemon last ran.
    func refresh(at now: Timestamp) async {
        guard let epoch, failed == nil else { return }
        await witness.refresh(WitnessStatement(epoch: epoch, sequence: written, at: now))
    }

    /// Writes the failed statement again; returns the error if that fails again.
    func retry() async -> TaskStoreError? {
        guard let failed else { return nil }
        do throws(TaskStoreError) {
            try await secure(failed.statement.sequence, at: failed.statement.at)
            self.failed = nil
            return nil
        } catch {
            return error
        }
    }
}
