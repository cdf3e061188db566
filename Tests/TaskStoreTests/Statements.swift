import GRDB
import Synchronization

@testable import SQLiteDriver

/// The statements that SQLite executed.
final class Statements: Sendable {
    private let texts = Mutex<[String]>([])

    init() {}

    /// Records the statements of the store's writer from now on, without their values.
    convenience init(of store: SQLiteDriver) async throws {
        self.init()
        try await store.pool.writeWithoutTransaction { db in self.record(db) }
    }

    /// A configuration whose connections record their statements here.
    var configuration: Configuration {
        var configuration = DatabaseFile.configuration
        configuration.prepareDatabase { db in self.record(db) }
        return configuration
    }

    private func record(_ db: Database) {
        db.trace(options: .statement) { event in
            if case .statement(let statement) = event { self.add(statement.sql) }
        }
    }

    var all: [String] { texts.withLock { $0 } }
    var commits: Int { all.count { $0.hasPrefix("COMMIT") } }

    func forget() { texts.withLock { $0 = [] } }

    func add(_ text: String) { texts.withLock { $0.append(text) } }
}
