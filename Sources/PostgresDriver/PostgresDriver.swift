import StoreSQL
package import TaskModel
package import TaskStore

/// How to connect to a database.
struct PostgresOptions: Sendable {
    let address: PostgresAddress
    let keepsStatements: Bool
}

/// The driver of a PostgreSQL database, which several machines may use.
package struct PostgresDriver: StoreDriver {
    private let writer: PostgresWriter
    private let readers: PostgresReaders
    /// The connections for long reads, which never delay short ones.
    private let pageReaders: PostgresReaders
    /// Nil if processes do not tell each other of commits.
    private let notifier: PostgresNotifier?
    /// The address without a password.
    private let place: String

    /// Connects, and migrates the schema. Blocks until then.
    ///
    /// `keepsStatements` is whether sessions keep prepared statements. It must be false behind a pooler that gives each
    /// transaction another session, unless the pooler keeps track of them (PgBouncer from 1.21 on). Behind such a pooler `notifies`,
    /// whether processes tell each other of commits, must be false too.
    package static func open(
        _ address: PostgresAddress, keepsStatements: Bool = true, notifies: Bool = false
    ) throws(TaskStoreError) -> PostgresDriver {
        let options = PostgresOptions(address: address, keepsStatements: keepsStatements)
        do throws(any Error) {
            let connection = try PostgresConnection(options)
            try PostgresSchema.prepare(connection)
            try connection.beginPipeline()
            try connection.beginWrite()
            try TaskCounter.correct(in: connection)
            try connection.commit()
            let notifier = notifies ? PostgresNotifier(options) : nil
            return PostgresDriver(
                writer: PostgresWriter(ConnectionSlot(options, name: "writer")) { notifier?.noteCommit() },
                readers: PostgresReaders(options, count: 3, name: "reader"),
                pageReaders: PostgresReaders(options, count: 2, name: "page"), notifier: notifier,
                place: connection.place)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Calls `body` soon after another process has appended lines to the log, if processes tell each other. It must not block.
    package func onCommitOfOthers(_ body: @escaping @Sendable () -> Void) { notifier?.begin(body) }

    /// Closes the connections after the work in progress.
    package func close() async {
        await notifier?.close()
        await writer.slot.close()
        await readers.close()
        await pageReaders.close()
    }

    package func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value {
        do {
            return try await writer.write(body, committed: committed)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    package func read<Value: Sendable>(
        for call: StoreCall, _ extent: ReadExtent, _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        do {
            switch extent {
            case .statement: return try await readers.read(inTransaction: false, body)
            case .snapshot: return try await readers.read(inTransaction: true, body)
            case .page: return try await pageReaders.read(inTransaction: true, body)
            }
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Failed while the writer has no connection. The first call after a pause tries to connect again.
    package func condition() async -> StorageCondition {
        guard let failure = writer.slot.failure else { return .sound }
        guard failure.end <= .now else { return .failed(TaskStoreError(translating: failure.error)) }
        do {
            try await writer.write { _ in }
            return .sound
        } catch {
            return .failed(TaskStoreError(translating: error))
        }
    }

    /// The server checks its own pages (`data_checksums`), so nothing is left to check.
    package func checkContents() async throws(TaskStoreError) {}

    package func backUp(
        into directory: String, with files: (any RecordFiles)?, at now: Timestamp
    ) async throws(BackupError) -> Backup {
        throw .failed("PostgreSQL has its own tools for that; use pg_basebackup or pg_dump")
    }

    package var leaseTerm: Duration? { Lease.term }

    package func info() async throws(TaskStoreError) -> StoreInfo {
        do {
            return try await readers.perform { [place] connection in
                StoreInfo(
                    path: place,
                    sizeInBytes: try connection.integer("SELECT pg_database_size(current_database())") ?? 0,
                    waitsForStandby: try connection.integer(
                        "SELECT CAST(current_setting('synchronous_standby_names') <> '' AS INT)") == 1)
            }
        } catch {
            throw TaskStoreError(translating: error)
        }
    }
}
