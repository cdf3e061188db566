import GRDB
import SQLiteRaw
import TaskStore

/// The values of records that are in files.
extension SQLiteTransaction {
    func parts(of keys: [Int64]) throws -> [TaskParts] {
        try keys.map { key in
            let parts = try RecordPart.fetchAll(
                db.cachedStatement(
                    sql:
                        "SELECT pointer, prefix, sha256, size_bytes FROM record_part WHERE task_key = ? ORDER BY ordinal"
                ), binding: [.integer(key)])
            return TaskParts(key: key, parts: parts)
        }
    }

    func insert(_ parts: [RecordPart], of key: Int64) throws {
        for (ordinal, part) in parts.enumerated() {
            try db.cachedStatement(
                sql: """
                    INSERT INTO record_part (task_key, ordinal, pointer, prefix, sha256, size_bytes)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """
            ).execute(
                binding: .integer(key), ColumnValue(ordinal), .text(part.pointer), .text(part.prefix),
                .text(part.sha256), ColumnValue(part.size))
        }
    }

    /// Deletes the rows of a record's parts, and has their files removed.
    func dropParts(of key: Int64) throws {
        let parts = try parts(of: [key])[0].parts
        guard !parts.isEmpty else { return }
        try noteRemovable(parts.map(\.sha256))
        try db.cachedStatement(sql: "DELETE FROM record_part WHERE task_key = ?").execute(binding: .integer(key))
    }

    func hasPart(_ sha256: String) throws -> Bool {
        try Int.fetchOne(
            db.cachedStatement(sql: "SELECT 1 FROM record_part WHERE sha256 = ? LIMIT 1"), arguments: [sha256]) != nil
    }

    func partsToRemove(limit: Int) throws -> [String] {
        try String.fetchAll(db.cachedStatement(sql: "SELECT sha256 FROM part_removal LIMIT ?"), arguments: [limit])
    }

    func noteRemovable(_ digests: [String]) throws {
        for digest in digests {
            try db.cachedStatement(sql: "INSERT OR IGNORE INTO part_removal (sha256) VALUES (?)")
                .execute(binding: .text(digest))
        }
    }

    func dropRemovable(_ sha256: String) throws {
        try db.cachedStatement(sql: "DELETE FROM part_removal WHERE sha256 = ?").execute(binding: .text(sha256))
    }

    func packedPart(_ sha256: String?) throws -> PackedPart? {
        guard let sha256 else {
            return try PackedPart.fetchOne(
                db.cachedStatement(sql: "SELECT sha256, content FROM part_content LIMIT 1"))
        }
        return try PackedPart.fetchOne(
            db.cachedStatement(sql: "SELECT sha256, content FROM part_content WHERE sha256 = ?"),
            binding: .text(sha256))
    }

    func dropPackedPart(_ sha256: String) throws {
        try db.cachedStatement(sql: "DELETE FROM part_content WHERE sha256 = ?").execute(binding: .text(sha256))
    }
}

extension RecordPart: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        self.init(pointer: next(), prefix: next(), sha256: next(), size: next())
    }
}

extension PackedPart: ColumnDecodable {
    init(_ next: inout ColumnReader) throws { self.init(sha256: next(), bytes: next()) }
}
