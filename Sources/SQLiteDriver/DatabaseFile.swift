import FoundationEssentials
import GRDB
import SQLiteMigrations
import TaskStore
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The file itself: how it is made, opened and brought up to date.
enum DatabaseFile {
    /// "PLLX": tells our files from any other SQLite database.
    static let applicationID = 0x504c_4c58

    /// Seconds to wait for another program that keeps the file locked.
    static let busyTimeout = 5.0

    static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "pollux"
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(busyTimeout)
        configuration.maximumReaderCount = 2
        configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA cache_size = -4000") }
        return configuration
    }

    /// Opens what is there: a commit is on disk when it returns, even if the power fails.
    ///
    /// GRDB sets `synchronous` to NORMAL when it turns on the write-ahead log, after everything that a configuration can
    /// say; so FULL (https://sqlite.org/pragma.html#pragma_synchronous) is set afterwards, on the one connection that
    /// writes.
    static func open(_ path: String, configuration: Configuration) throws -> DatabasePool {
        let pool = try DatabasePool(path: path, configuration: configuration)
        try pool.writeWithoutTransaction { db in
            // The writer's cache holds the inner pages of all indexes of a million tasks; 16 MiB at most.
            try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA cache_size = -16000")
        }
        return pool
    }

    /// Makes a new database if there is none and there never was one, or `mayBegin` allows it; refuses what is there if it
    /// is not ours. Returns the ``Generation`` of the file alone; nil where the file cannot be read.
    ///
    /// SQLite must not be asked whose a file is: it writes into it to turn on the write-ahead log, and takes a file of a
    /// few bytes for an empty database.
    static func prepare(_ path: String, mark: GenerationMark, mayBegin: Bool) throws -> Int? {
        if !FileManager.default.fileExists(atPath: path) {
            // SQLite would replay a log that belongs to another database into the new one.
            for leftover in [path + "-wal", path + "-journal"] where size(of: leftover) > 0 {
                throw TaskStoreError.damaged("\(path) is gone, but its \(leftover) is still there")
            }
            guard mayBegin || !mark.exists else { throw TaskStoreError.missing(path) }
            // Not behind the mark of the one before, so that a crash right after this is no alarm.
            var chance = SystemRandomNumberGenerator()
            let generation = mark.generation.map { $0 + 1 } ?? Int.random(in: Generation.first, using: &chance)
            try create(path, generation: generation)
        }
        guard size(of: path) > 0 else { throw TaskStoreError.damaged("the file \(path) is empty") }
        // The form of the header: https://sqlite.org/fileformat2.html#the_database_header
        guard let header = header(of: path) else { return nil }
        guard header.count == 100, header.starts(with: Array("SQLite format 3\0".utf8)) else {
            throw TaskStoreError.damaged("the file \(path) is no database")
        }
        guard number(header[68..<72]) == applicationID else {
            throw TaskStoreError.damaged("the file was made by another program")
        }
        return number(header[Generation.headerBytes])
    }

    /// Of four bytes, the highest first, with its sign.
    private static func number(_ bytes: ArraySlice<UInt8>) -> Int {
        Int(Int32(truncatingIfNeeded: bytes.reduce(0) { $0 << 8 | Int($1) }))
    }

    /// The first 100 bytes; read before SQLite opens the file, since closing it here would drop SQLite's locks. Nil where the file cannot be read, which SQLite then says in its own words.
    private static func header(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }

    private static func create(_ path: String, generation: Int) throws {
        let draft = path + ".new"
        for leftover in [draft, draft + "-journal"] where FileManager.default.fileExists(atPath: leftover) {
            try FileManager.default.removeItem(atPath: leftover)
        }
        let queue = try DatabaseQueue(path: draft, configuration: configuration)
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA application_id = \(applicationID); PRAGMA user_version = \(generation)")
        }
        try migrator.migrate(queue)
        try queue.close()
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: draft)
        try FileManager.default.moveItem(atPath: draft, toPath: path)
    }

    /// Refuses a file from elsewhere, from a later version, with another's log, or with broken pages.
    ///
    /// `generation` is that of the main file alone. `isWhole` says whether all pages were checked.
    ///
    /// On a connection that cannot write, which is returned: opening a pool makes and drops a table, and a file that is
    /// refused is to stay as it is.
    static func check(
        _ path: String, generation: Int?, mark: GenerationMark, configuration: Configuration
    ) throws -> (connection: DatabaseQueue, isWhole: Bool) {
        var configuration = configuration
        configuration.readonly = true
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        let isWhole = try queue.read { db in
            if let generation {
                try Generation.check(
                    inFile: generation, withLog: try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0,
                    marked: mark.generation, path: path, mark: mark.path)
            }
            let found = try Int.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            guard found == applicationID else { throw TaskStoreError.damaged("the file was made by another program") }
            if try migrator.hasBeenSuperseded(db) { throw TaskStoreError.newer }
            return try checkPages(db)
        }
        return (queue, isWhole)
    }

    /// Applies what is missing of the schema, and sees to it that what is counted is there.
    static func migrate(_ pool: DatabasePool) throws {
        try migrator.migrate(pool)
        try pool.write { db in if try isQuicklyRead(db) { try TaskCounter.correct(in: db) } }
    }

    /// Whether reading the whole file takes no time to speak of.
    private static func isQuicklyRead(_ db: Database) throws -> Bool {
        try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0 <= 8_192
    }

    /// Finds broken pages before they are trusted; false where that is left to ``PageCheck``, since it reads the whole file.
    private static func checkPages(_ db: Database) throws -> Bool {
        guard try isQuicklyRead(db) else { return false }
        let report = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "ok"
        guard report == "ok" else { throw TaskStoreError.damaged(report) }
        return true
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for migration in EmbeddedMigrations.all {
            migrator.registerMigration(migration.name) { db in try db.execute(sql: migration.sql) }
        }
        return migrator
    }
}

extension DatabaseFile {
    /// The size of a file in bytes; 0 where there is none.
    static func size(of path: String) -> Int64 {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return 0 }
        return attributes[.size] as? Int64 ?? 0
    }
}
