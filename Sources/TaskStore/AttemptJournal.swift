import Synchronization
package import TaskModel

/// An attempt in the journal of the machine that made it.
package struct JournalEntry: Sendable, Hashable {
    package let task: TaskID
    package let attempt: Attempt
    package let account: AccountName
    /// The place of its start in the log, or a later one.
    package let place: Int64

    package init(task: TaskID, attempt: Attempt, account: AccountName, place: Int64) {
        self.task = task
        self.attempt = attempt
        self.account = account
        self.place = place
    }
}

/// A line of the journal.
package enum JournalLine: Sendable, Hashable {
    /// A process of this machine has begun. It writes this line before it has any lease.
    case process(LeaseToken)
    /// An attempt. The line is written after the commit that starts the attempt and before the first byte of its request.
    case attempt(JournalEntry)
    /// All lines before this one were compared with the database on that server, whose log ended at that place.
    case compared(server: String, place: Int64)
    /// It was reported that the database has lost the task of this attempt.
    case reported(TaskID, attempt: Int)
}

/// The lines that a journal still has, oldest first.
package struct JournalContents: Sendable, Hashable {
    package var lines: [JournalLine]
    /// Whether it has all lines that were ever written to it.
    package var isWhole: Bool

    package init(lines: [JournalLine] = [], isWhole: Bool = true) {
        self.lines = lines
        self.isWhole = isWhole
    }
}

/// The attempts of one machine, recorded outside the shared database.
///
/// A server that takes over may lack the last commits. The journals of the machines then show which attempts it lacks.
package protocol AttemptJournal: Sendable {
    /// The lines on disk. One that was not written completely is left out: nothing was sent for it.
    func read() async throws(TaskStoreError) -> JournalContents
    /// Appends a line. It is on disk when this returns.
    func append(_ line: JournalLine) async throws(TaskStoreError)
}

/// The journal of this machine, and what this process knows about it.
final class JournalKeeper: Sendable {
    private struct State {
        /// The server with whose database it was last compared.
        var server: String?
        /// The line that could not be written.
        var failed: (line: JournalLine, error: TaskStoreError)?
    }

    private let journal: any AttemptJournal
    private let state = Mutex(State())

    init(_ journal: any AttemptJournal) { self.journal = journal }

    func read() async throws(TaskStoreError) -> JournalContents { try await journal.read() }

    func append(_ line: JournalLine) async throws(TaskStoreError) {
        do throws(TaskStoreError) { try await journal.append(line) } catch {
            state.withLock { $0.failed = (line, error) }
            throw error
        }
        state.withLock { state in
            state.failed = nil
            if case .compared(let server, _) = line { state.server = server }
        }
    }

    func isCompared(with server: String) -> Bool { state.withLock { $0.server == server } }

    /// Writes the failed line again; returns the error if that fails again. A line that is there twice is harmless.
    func retry() async -> TaskStoreError? {
        guard let failed = state.withLock({ $0.failed }) else { return nil }
        do throws(TaskStoreError) { try await append(failed.line) } catch { return error }
        return nil
    }
}
