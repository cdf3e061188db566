import Synchronization
import TaskModel
import TaskStore

/// The journal of a simulated machine. It survives kills as the disk does.
final class SimulatedJournal: Sendable {
    private let lines = Mutex<[JournalLine]>([])

    /// The journal as one daemon uses it. Each access is a step.
    struct Writer: AttemptJournal {
        let journal: SimulatedJournal
        let world: World
        /// The defect of a daemon that notes no attempts.
        let forgetsAttempts: Bool
        let isDead: @Sendable () -> Bool

        func read() async throws(TaskStoreError) -> JournalContents {
            await world.scheduler.park("read journal")
            if isDead() { throw .damaged("this daemon is dead") }
            return JournalContents(lines: journal.lines.withLock { $0 })
        }

        func append(_ line: JournalLine) async throws(TaskStoreError) {
            await world.scheduler.park("journal")
            if isDead() { throw .damaged("this daemon is dead") }
            if world.isDiskFull { throw .full }
            if case .attempt = line, forgetsAttempts { return }
            journal.lines.withLock { $0.append(line) }
        }
    }
}
