import Artefacts
import Dispatch
import FoundationEssentials
import Logging
import PostgresDriver
import ProviderCatalog
import SQLiteDriver
import StoreExport
import TaskEngine
import TaskStore

/// What an export has moved.
package struct ExportReport: Sendable {
    /// Where the tasks are now.
    package let place: String
    /// Whether an earlier call had moved them.
    package let wasMovedBefore: Bool
    package let tasks: Int
    /// The lines of the log.
    package let lines: Int
    /// The rows of all tables.
    package let rows: Int

    fileprivate init(_ outcome: StoreExport.Outcome) {
        (place, wasMovedBefore) = (outcome.place, outcome.wasMovedBefore)
        (tasks, lines) = (outcome.rows["task"] ?? 0, outcome.rows["event"] ?? 0)
        rows = outcome.rows.values.reduce(0, +)
    }
}

extension Daemon {
    /// Moves the tasks of a state directory to an empty PostgreSQL database, while no daemon uses the directory.
    package static func export(
        to text: String, flags: DaemonFlags, environment: [String: String]
    ) async throws(DaemonError) -> ExportReport {
        let address: PostgresAddress
        do { address = try PostgresAddress(text) } catch {
            throw .badSetting("--to cannot be used: \(error).")
        }
        // The settings may name PostgreSQL already, so that the next start uses it.
        let configuration = Reloadable(
            try Configuration(flags: flags, environment: environment, at: SystemTimeSource().now()))
        let settings = configuration.current.settings
        let path = settings.stateDirectory + "/pollux.sqlite"
        guard FileManager.default.fileExists(atPath: path) else {
            throw .unusablePath("There is no database at \(path). Name the state directory with --state-dir.")
        }
        let lock = try InstanceLock(
            path: settings.stateDirectory + "/pollux.lock", withDirectory: true,
            of: "the state directory \(settings.stateDirectory)", socket: settings.socketPath)
        defer { withExtendedLifetime(lock) {} }
        let source = try OpenedStore.openFile(
            in: settings.stateDirectory, mayBegin: false, logger: Logger(label: "pollux"))
        let files = ObjectFiles(
            directory: settings.artefactDirectory ?? settings.stateDirectory + "/artefacts",
            owner: settings.stateDirectory, newID: String(UInt64.random(in: .min ... .max), radix: 16),
            limits: configuration.view(\.settings.artefactLimits))
        // Both databases block for as long as they have tasks.
        let moved: Result<StoreExport.Outcome, TaskStoreError> = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                do throws(TaskStoreError) {
                    continuation.resume(
                        returning: .success(try StoreExport(of: source, files: files).run(to: address)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        try? await files.shutdown()
        do throws(TaskStoreError) {
            try source.close()
            return ExportReport(try moved.get())
        } catch {
            throw .store(code: error.code, message: error.message)
        }
    }
}
