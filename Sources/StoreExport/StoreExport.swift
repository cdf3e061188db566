package import PostgresDriver
package import SQLiteDriver
import StoreSQL
package import TaskStore

/// StoreExport moves a SQLite store to PostgreSQL while no daemon runs, and compares both.
package struct StoreExport {
    /// What was moved.
    package struct Outcome: Sendable, Hashable {
        /// Where the tasks are now.
        package let place: String
        /// Whether an earlier call had moved them, and the target still has exactly that.
        package let wasMovedBefore: Bool
        /// The number of rows of each table that has any.
        package let rows: [String: Int]
    }

    private let source: SQLiteDriver
    /// The files of long values; nil if there are none.
    private let files: (any RecordFiles)?

    package init(of source: SQLiteDriver, files: (any RecordFiles)?) {
        self.source = source
        self.files = files
    }

    /// Rows are sent to the server when as many, or as many bytes, are queued.
    private static let batch = (rows: 500, bytes: 4 << 20)

    /// Copies all rows in one transaction of the target, reads them there again, and marks the source before the commit:
    /// a daemon that starts on it afterwards sends nothing paid. Blocks until then.
    ///
    /// Throws ``TaskStoreError/unknown`` if the commit may be on disk; another call then tells.
    package func run(to address: PostgresAddress) throws(TaskStoreError) -> Outcome {
        let meta = try source.readAll { try SQLTransaction($0).meta() }
        if meta[.restored] != nil || meta[.backup] != nil { throw .restored }
        let wasMarked = meta[.movedTo] != nil
        var rows: [String: Int] = [:]
        var wasMovedBefore = false
        do throws(TaskStoreError) {
            let place = try PostgresImport.run(into: address) { target in
                let tables = try CopiedTable.all(in: target)
                let isEmpty = try tables.allSatisfy { table in
                    try target.integer(.text("SELECT 1 FROM \(table.name) LIMIT 1")) == nil
                }
                guard isEmpty || wasMarked else { throw Self.notEmpty }
                wasMovedBefore = !isEmpty
                rows = try source.readAll { source in
                    try copy(tables, from: source, to: target, isEmpty: isEmpty)
                }
                return isEmpty
            } beforeCommit: { place in
                try source.put(.movedTo, place)
            }
            return Outcome(place: place, wasMovedBefore: wasMovedBefore, rows: rows)
        } catch .unknown {
            throw .unknown
        } catch {
            if !wasMarked { try? source.put(.movedTo, nil) }
            throw error
        }
    }

    /// Copies the tables to an empty target, or only compares them; returns the number of rows of each.
    private func copy(
        _ tables: [CopiedTable], from source: any SQLConnection, to target: any SQLConnection, isEmpty: Bool
    ) throws -> [String: Int] {
        try checkTables(tables, in: source)
        var rows: [String: Int] = [:]
        for table in tables {
            let copied = try digest(of: table, in: source) { values in
                if isEmpty { try target.execute(table.insertion, values) }
            } flush: {
                if isEmpty { _ = try target.integer("SELECT 1") }
            }
            guard try digest(of: table, in: target) == copied else {
                throw isEmpty
                    ? TaskStoreError.failed("the copy of the table \(table.name) differs, so nothing was moved")
                    : Self.notEmpty
            }
            if copied.rows > 0 { rows[table.name] = copied.rows }
        }
        if isEmpty {
            try copyParts(from: source, to: target)
            try copyNumbers(from: source, to: target)
        }
        return rows
    }

    private static let notEmpty = TaskStoreError.failed(
        "the PostgreSQL database is not empty; choose an empty one")

    /// Every table and column of the source must have a place.
    private func checkTables(_ tables: [CopiedTable], in source: any SQLConnection) throws {
        let notCopied: Set = ["lease", "part_content", "part_removal", "grdb_migrations"]
        let known = Dictionary(uniqueKeysWithValues: tables.map { ($0.name, Set($0.columns)) })
        var found: [String: Set<String>] = [:]
        try source.rows(
            of: """
                SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
                WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
                """, []
        ) { row in
            let (table, column): (String, String) = (row(), row())
            if !notCopied.contains(table) { found[table, default: []].insert(column) }
            return false
        }
        for name in Set(known.keys).union(found.keys).sorted() where known[name] != found[name] {
            throw TaskStoreError.failed("the table \(name) differs between the databases, so nothing was moved")
        }
    }

    /// Reads a table, and passes its rows on.
    private func digest(
        of table: CopiedTable, in database: any SQLConnection, each: ([ColumnValue]) throws -> Void = { _ in },
        flush: () throws -> Void = {}
    ) throws -> TableDigest {
        var digest = TableDigest()
        var queued = (rows: 0, bytes: 0)
        try database.rows(of: table.selection, []) { columns in
            let values = table.values(&columns)
            // The mark says that the source was moved, and the target was not.
            if table.name == "meta", values.first == .text(MetaName.movedTo.rawValue) { return false }
            digest.add(values)
            try each(values)
            queued = (queued.rows + 1, queued.bytes + columns.bytesRead)
            if queued.rows >= Self.batch.rows || queued.bytes >= Self.batch.bytes {
                try flush()
                queued = (0, 0)
            }
            return false
        }
        try flush()
        return digest
    }

    /// Copies the long values of records, whose files belong to one machine, into the database.
    private func copyParts(from source: any SQLConnection, to target: any SQLConnection) throws {
        let digests = try String.fetchAll(source, "SELECT DISTINCT sha256 FROM record_part ORDER BY sha256")
        for sha256 in digests {
            try target.execute(
                "INSERT INTO part_content (sha256, content) VALUES (?, ?)",
                [.text(sha256), .blob(try content(of: sha256, in: source))])
            _ = try target.integer("SELECT 1")
        }
    }

    private func content(of sha256: String, in source: any SQLConnection) throws -> [UInt8] {
        if let packed = try PackedPart.fetchOne(
            source, "SELECT sha256, content FROM part_content WHERE sha256 = ?", [.text(sha256)])
        {
            return packed.bytes
        }
        do throws(RecordFileFailure) {
            guard let bytes = try files?.readBlocking(sha256), RecordPart.digest(of: bytes) == sha256 else {
                throw RecordFileFailure("The file \(sha256) of a record was changed.")
            }
            return bytes
        } catch {
            throw TaskStoreError.partUnreadable(error.message)
        }
    }

    /// Continues the numbers of rows, none of which may be used twice.
    private func copyNumbers(from source: any SQLConnection, to target: any SQLConnection) throws {
        func last(_ table: String) throws -> ColumnValue {
            ColumnValue(try source.integer("SELECT seq FROM sqlite_sequence WHERE name = ?", [.text(table)]) ?? 0)
        }
        try target.execute(
            "UPDATE log_counter SET last_task = ?, last_event = ?",
            [ColumnValue(try source.integer("SELECT MAX(task_key) FROM task") ?? 0), try last("event")])
        for (table, column) in [("gateway_exchange", "exchange_key"), ("ledger", "entry")] {
            guard case .integer(let number) = try last(table), number > 0 else { continue }
            try target.execute(
                .text("SELECT setval(pg_get_serial_sequence('\(table)', '\(column)'), CAST(? AS BIGINT))"),
                [.integer(number)])
        }
        _ = try target.integer("SELECT 1")
    }
}
