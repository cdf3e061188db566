import GRDB
import Synchronization

@testable import SQLiteDriver

/// Statements that SQLite ran.
final class Statements: Sendable {
    private let texts = Mutex<[String]>([])

    init() {}

    /// Those that the store's writer runs from now on, with their values left open.
    convenience init(of store: SQLiteDriver) async throws {
        self.init()
        try await store.pool.writeWithoutTransaction { db in
            db.trace(options: .statement) { event in
                if case .statement(let statement) = event { self.add(statement.sql) }
            }
        }
    }

    var all: [String] { texts.withLock { $0 } }
    var commits: Int { all.count { $0.hasPrefix("COMMIT") } }

    func forget() { texts.withLock { $0 = [] } }

    func add(_ text: String) { texts.withLock { $0.append(text) } }
}
