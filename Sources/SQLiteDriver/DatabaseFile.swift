import FoundationEssentials
import GRDB
import SQLiteMigrations
import SQLiteRaw
import StoreSQL
import TaskStore
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Creates, opens, checks and migrates the database file.
enum DatabaseFile {
    /// "PLLX": identifies our files among SQLite databases.
    static let applicationID = 0x504c_4c58

    /// How many seconds a statement waits for another program that locks the file.
    static let busyTimeout = 5.0

    static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "pollux"
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(busyTimeout)
        configuration.maximumReaderCount = 2
        configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA cache_size = -1000") }
        return configuration
    }

    /// Opens an existing database. A commit survives a power failure once it returns.
    ///
    /// GRDB sets `synchronous` to NORMAL when it turns on the write-ahead log, after the configuration has run. So this
    /// sets FULL (https://sqlite.org/pragma.html#pragma_synchronous) afterwards, on the writing connection.
    static func open(_ path: String, configuration: Configuration) throws -> DatabasePool {
        let pool = try DatabasePool(path: path, configuration: configuration)
        try pool.writeWithoutTransaction { db in
            // At most 16 MiB, which holds the inner pages of all indexes of a million tasks.
            try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA cache_size = -16000")
        }
        return pool
    }

    /// Creates a database if there never was one or `mayBegin` allows it, and rejects a foreign file. Returns the
    /// ``Generation`` of the main file without its log; nil if the file cannot be read.
    ///
    /// This reads the header without SQLite. SQLite would write into a foreign file to turn on the write-ahead log. It
    /// also treats a file of a few bytes as an empty database.
    static func prepare(_ path: String, mark: GenerationMark, mayBegin: Bool) throws -> Int? {
        if !FileManager.default.fileExists(atPath: path) {
            // SQLite would replay the log of another database into the new one.
            for leftover in [path + "-wal", path + "-journal"] where size(of: leftover) > 0 {
                throw TaskStoreError.damaged("\(path) is missing, but its \(leftover) still exists")
            }
            guard mayBegin || !mark.exists else { throw TaskStoreError.missing(path) }
            // The first generation is above the mark of the earlier database. Otherwise a crash right after this would
            // look like lost commits.
            var chance = SystemRandomNumberGenerator()
            let generation = mark.generation.map { $0 + 1 } ?? Int.random(in: Generation.first, using: &chance)
            try create(path, generation: generation)
        }
        guard size(of: path) > 0 else { throw TaskStoreError.damaged("the file \(path) is empty") }
        // The format of the header: https://sqlite.org/fileformat2.html#the_database_header
        guard let header = header(of: path) else { return nil }
        guard header.count == 100, header.starts(with: Array("SQLite format 3\0".utf8)) else {
            throw TaskStoreError.damaged("the file \(path) is not a database")
        }
        guard number(header[68..<72]) == applicationID else {
            throw TaskStoreError.damaged("the file was made by another program")
        }
        return number(header[Generation.headerBytes])
    }

    /// Decodes four bytes as a signed big-endian integer.
    private static func number(_ bytes: ArraySlice<UInt8>) -> Int {
        Int(Int32(truncatingIfNeeded: bytes.reduce(0) { $0 << 8 | Int($1) }))
    }

    /// The first 100 bytes of the file; nil if it cannot be read, which SQLite then reports.
    ///
    /// Call this before SQLite opens the file: closing the file here drops SQLite's locks on it.
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

    /// Rejects a file that is foreign, is from a later version, has the log of another database, or has damaged pages.
    ///
    /// `generation` is that of the main file without its log. `isWhole` says whether all pages were checked. The
    /// returned connection is read-only, so that a rejected file stays unchanged: opening a pool creates and drops a
    /// table.
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

    /// The number of the latest schema if the database has tasks and an older schema; else nil.
    static func schemaToReach(_ db: Database) throws -> Int? {
        guard let latest = EmbeddedMigrations.all.last, try !migrator.hasCompletedMigrations(db),
            try db.tableExists("task"), try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM task)") ?? false
        else { return nil }
        return Int(latest.name.prefix(4))
    }

    /// Applies missing migrations, and corrects the counts of tasks in a small database.
    static func migrate(_ pool: DatabasePool) throws {
        try migrator.migrate(pool)
        try pool.write { db in if try isQuicklyRead(db) { try TaskCounter.correct(in: RawConnection(db)) } }
    }

    /// Whether the file is small enough to be read completely while the daemon starts.
    private static func isQuicklyRead(_ db: Database) throws -> Bool {
        try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0 <= 8_192
    }

    /// Checks all pages of a small file. Returns false for a larger one, which ``PageCheck`` reads later.
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
    /// The size of a file in bytes; 0 if there is none.
    static func size(of path: String) -> Int64 {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return 0 }
        return attributes[.size] as? Int64 ?? 0
    }

    /// The free bytes of the file's disk for this user; nil if they are unknown.
    static func freeBytes(at path: String) -> Int64? {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        return Int64(clamping: UInt64(info.f_bavail) * UInt64(info.f_frsize))
    }
}
