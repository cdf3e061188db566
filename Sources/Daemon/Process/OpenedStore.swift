import Dispatch
import Logging
import PostgresDriver
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The daemon's database: a file of this machine, or a server that several machines share.
enum OpenedStore: Sendable {
    case file(SQLiteDriver)
    case server(PostgresDriver)

    /// Opens the database that the settings name. `mayBegin` allows a new file in place of a missing one.
    static func open(
        _ settings: DaemonSettings, mayBegin: Bool, logger: Logger
    ) async throws(DaemonError) -> OpenedStore {
        guard let address = settings.store else {
            return .file(try openFile(in: settings.stateDirectory, mayBegin: mayBegin, logger: logger))
        }
        if mayBegin { logger.warning("PostgreSQL is the store, so --new-database has no effect.") }
        // Connecting may block for as long as the network wants.
        let opened: Result<PostgresDriver, TaskStoreError> = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                do throws(TaskStoreError) {
                    continuation.resume(
                        returning: .success(
                            try PostgresDriver.open(
                                address, keepsStatements: settings.keepsStatements,
                                notifies: settings.notifiesProcesses)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        do throws(TaskStoreError) { return .server(try opened.get()) } catch {
            throw .store(code: error.code, message: error.message)
        }
    }

    static func openFile(
        in directory: String, mayBegin: Bool, logger: Logger
    ) throws(DaemonError) -> SQLiteDriver {
        let path = directory + "/pollux.sqlite"
        let isGone = access(path, F_OK) != 0
        if mayBegin, !isGone {
            logger.warning(
                "The database exists, so --new-database has no effect. Remove the flag, so that a lost database is noticed."
            )
        }
        do throws(TaskStoreError) {
            let backup = SchemaBackup(in: directory + "/backups", at: SystemTimeSource().now()) { copy in
                logger.notice("The database has an older schema. It was copied to \(copy) before the schema changes.")
            }
            let driver = try SQLiteDriver.open(path: path, mayBegin: mayBegin, backup: backup)
            // The witness belongs to the missing database.
            if mayBegin, isGone { WitnessFile(in: directory).remove() }
            return driver
        } catch {
            throw .store(code: error.code, message: error.message)
        }
    }

    var driver: any StoreDriver {
        switch self {
        case .file(let driver): driver
        case .server(let driver): driver
        }
    }

    /// Calls `body` soon after another machine has committed, if the machines tell each other.
    func onCommitOfOthers(_ body: @escaping @Sendable () -> Void) {
        if case .server(let driver) = self { driver.onCommitOfOthers(body) }
    }

    /// Whether several machines may use it.
    var isShared: Bool { if case .server = self { true } else { false } }

    /// Whether values of records that are too long for a row are files of this machine.
    var keepsParts: Bool { !isShared }

    /// Closes it after the work in progress.
    func close(logger: Logger) async {
        switch self {
        case .file(let driver):
            do throws(TaskStoreError) { try driver.close() } catch {
                logger.error("The database was not closed cleanly: \(error.message)")
            }
        case .server(let driver): await driver.close()
        }
    }
}
