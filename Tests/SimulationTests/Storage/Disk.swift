import FoundationEssentials
import ProviderCatalog
import SQLiteDriver
import TaskStore
import Synchronization

/// The files of one history; a crash leaves behind what was on disk at that moment, and nothing else.
final class Disk {
    /// Its directory holds ours.
    private let stage: Stage
    private let directory: String
    private var generation = 0
    /// Where the database is now.
    private(set) var path: String

    /// Makes a directory of its own with an empty database.
    init(stage: Stage, name: String) throws {
        self.stage = stage
        directory = stage.directory + "/" + name
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        path = directory + "/0.sqlite"
        try FileManager.default.copyItem(atPath: stage.template, toPath: path)
    }

    /// The machine dies: the next daemon finds the database and its log as they are now, and no memory shared with the
    /// dead one. `losingLog` is what a store that does not write through would leave.
    func crash(losingLog: Bool = false) throws {
        generation += 1
        let image = directory + "/\(generation).sqlite"
        try FileManager.default.copyItem(atPath: path, toPath: image)
        if !losingLog, FileManager.default.fileExists(atPath: path + "-wal") {
            try FileManager.default.copyItem(atPath: path + "-wal", toPath: image + "-wal")
        }
        path = image
    }

    /// The witness beside the database.
    let witness = SimulatedWitness()

    /// A copy of the database and its witness, as a person makes it.
    struct Copy {
        fileprivate let path: String
        fileprivate let witness: WitnessStatement?
        /// How many paid requests had been sent.
        let sent: Int
        /// How many records the provider had.
        let billed: Int

        /// Whether it can be put back so that nothing shows it.
        var canOverwrite: Bool { witness != nil }
    }

    /// How a copy is put back.
    enum PutBack: CaseIterable {
        /// With its witness, which is then no original.
        case withWitness
        /// Beside the witness that is there.
        case besideWitness
        /// Over the files that are there, or together with the whole machine: the witness is the original, at an earlier time.
        case inPlace
    }

    /// Copies the database as it is on disk.
    func copy(sent: Int, billed: Int) throws -> Copy {
        generation += 1
        let image = directory + "/\(generation).sqlite"
        try FileManager.default.copyItem(atPath: path, toPath: image)
        if FileManager.default.fileExists(atPath: path + "-wal") {
            try FileManager.default.copyItem(atPath: path + "-wal", toPath: image + "-wal")
        }
        return Copy(path: image, witness: witness.statement.withLock { $0 }, sent: sent, billed: billed)
    }

    /// Puts a copy in the place of the database.
    func putBack(_ copy: Copy, _ how: PutBack) throws {
        path = copy.path
        guard how != .besideWitness else { return }
        witness.statement.withLock { statement in
            statement = copy.witness
            statement?.isOriginal = how == .inPlace
        }
    }

    deinit {
        // A test's leftovers are nobody's problem.
        try? FileManager.default.removeItem(atPath: directory)
    }
}

/// What all histories share, since making it takes longer than most of them: an empty database, made by the real store,
/// and the catalog.
final class Stage: Sendable {
    let directory: String
    let template: String
    let catalog: ProviderCatalog
    /// The same without one service.
    let partialCatalog: ProviderCatalog
    /// The same with the provider elsewhere.
    let movedCatalog: ProviderCatalog
    private let histories = Atomic(0)

    /// A name for the directory of one more history.
    func nextName() -> String { "\(histories.add(1, ordering: .relaxed).newValue)" }

    init() throws {
        var random = SystemRandomNumberGenerator()
        // In memory, where the system has a place for that.
        let files = FileManager.default
        let place = files.fileExists(atPath: "/dev/shm") ? "/dev/shm" : files.temporaryDirectory.path
        directory = place + "/pollux-simulation-" + String(random.next(), radix: 36)
        try files.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        template = directory + "/template.sqlite"
        try SQLiteDriver.open(path: template).close()
        catalog = try ProviderCatalog(definitions: [("simulated.yaml", ProviderWords.definition)])
        movedCatalog = catalog.moved(to: [ProviderWords.provider: "http://127.0.0.1:2/v1"])
        partialCatalog = try ProviderCatalog(definitions: [("simulated.yaml", ProviderWords.definitionWithoutSong)])
    }

    deinit {
        // A test's leftovers are nobody's problem.
        try? FileManager.default.removeItem(atPath: directory)
    }
}
