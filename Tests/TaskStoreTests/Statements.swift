import Synchronization

/// Statements that SQLite ran.
final class Statements: Sendable {
    private let texts = Mutex<[String]>([])

    var all: [String] { texts.withLock { $0 } }
    var commits: Int { all.count { $0.hasPrefix("COMMIT") } }

    func forget() { texts.withLock { $0 = [] } }

    func add(_ text: String) { texts.withLock { $0.append(text) } }
}
