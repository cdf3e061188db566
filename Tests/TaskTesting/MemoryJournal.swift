import Synchronization
package import TaskStore

/// A journal of attempts in memory.
package final class MemoryJournal: AttemptJournal {
    private let contents: Mutex<JournalContents>

    package init(_ lines: [JournalLine] = [], isWhole: Bool = true) {
        contents = Mutex(JournalContents(lines: lines, isWhole: isWhole))
    }

    package var lines: [JournalLine] { contents.withLock { $0.lines } }

    package func read() async throws(TaskStoreError) -> JournalContents { contents.withLock { $0 } }

    package func append(_ line: JournalLine) async throws(TaskStoreError) {
        contents.withLock { $0.lines.append(line) }
    }
}
