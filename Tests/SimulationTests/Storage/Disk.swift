import FoundationEssentials
import ProviderCatalog
import SQLiteDriver
import TaskStore
import Synchronization

/// The files of one history. A crash leaves exactly what was on disk at that moment.
final class Disk {
    /// The stage whose directory contains this one.
    private let stage: Stage
    private let directory: String
    private var generation = 0
    /// The path of the current database.
    private(set) var path: String

    /// Creates a directory with an empty database.
    init(stage: Stage, name: String) throws {
        self.stage = stage
        directory = stage.directory + "/" + name
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        path = directory + "/0.sqlite"
        try FileManager.default.copyItem(atPath: stage.template, toPath: path)
    }

    /// Crashes the machine. The next daemon finds the database and its log as they are now. `losingLog` simulates a
    /// store that does not sync its log.
    func crash(losingLog: Bool = false) throws {
        generation += 1
        let image = directory + "/\(generation).sqlite"
        try FileManager.default.copyItem(atPath: path, toPath: image)
        if !losingLog, FileManager.default.fileExists(atPath: path + "-wal") {
            try FileManager.default.copyItem(atPath: path + "-wal", toPath: image + "-wal")
        }
        path = image
    }

    /// The witness of the database.
    let witness = SimulatedWitness()

    /// A copy of the database and its witness, made by a person.
    struct Copy {
        fileprivate let path: String
        fileprivate let witness: WitnessStatement?
        /// The number of paid requests sent before the copy.
        let sent: Int
        /// The number of the provider's records at the copy.
        let billed: Int

        /// Whether it can be restored without a trace.
        var canOverwrite: Bool { witness != nil }
    }

    /// How a copy is restored.
    enum PutBack: CaseIterable {
        /// With its witness, which then is not the original.
        case withWitness
        /// Beside the current witness.
        case besideWitness
        /// Over the current files, or with the whole machine. The witness is an original of an earlier time.
        case inPlace
    }

    /// Copies the database from disk.
    func copy(sent: Int, billed: Int) throws -> Copy {
        generation += 1
        let image = directory + "/\(generation).sqlite"
        try FileManager.default.copyItem(atPath: path, toPath: image)
        if FileManager.default.fileExists(atPath: path + "-wal") {
            try FileManager.default.copyItem(atPath: path + "-wal", toPath: image + "-wal")
        }
        return Copy(path: image, witness: witness.statement.withLock { $0 }, sent: sent, billed: billed)
    }

    /// Restores a copy.
    func putBack(_ copy: Copy, _ how: PutBack) throws {
        path = copy.path
        guard how != .besideWitness else { return }
        witness.statement.withLock { statement in
            statement = copy.witness
            statement?.isOriginal = how == .inPlace
        }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }
}

extension Disk: HistoryDatabase {
    func open() throws -> OpenDatabase {
        let driver = try SQLiteDriver.open(path: path, writing: .callers)
        return OpenDatabase(driver: driver) { try driver.close() }
    }

    func view() throws -> DiskView { try DiskView(path: path) }
}

/// An empty database of the real store, and the catalog. All histories share them, because creating them takes longer
/// than most histories.
final class Stage: Sendable {
    let directory: String
    let template: String
    let catalogs: Catalogs
    /// The same with prices.
    let pricedCatalogs: Catalogs

    /// The catalogs of one history.
    struct Catalogs {
        let whole: ProviderCatalog
        /// Without one service.
        let partial: ProviderCatalog
        /// With the provider at another base URL.
        let moved: ProviderCatalog

        init(_ definition: String) throws {
            whole = try ProviderCatalog(definitions: [("simulated.yaml", definition)])
            moved = whole.moved(to: [ProviderWords.provider: "http://127.0.0.1:2/v1"])
            partial = try ProviderCatalog(
                definitions: [("simulated.yaml", ProviderWords.withoutSong(definition))])
        }
    }
    private let histories = Atomic(0)

    /// Returns a directory name for another history.
    func nextName() -> String { "\(histories.add(1, ordering: .relaxed).newValue)" }

    init() throws {
        var random = SystemRandomNumberGenerator()
        // In memory if the system supports it.
        let files = FileManager.default
        let place = files.fileExists(atPath: "/dev/shm") ? "/dev/shm" : files.temporaryDirectory.path
        directory = place + "/pollux-simulation-" + String(random.next(), radix: 36)
        try files.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        template = directory + "/template.sqlite"
        try SQLiteDriver.open(path: template).close()
        catalogs = try Catalogs(ProviderWords.definition)
        pricedCatalogs = try Catalogs(ProviderWords.pricedDefinition)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }
}
