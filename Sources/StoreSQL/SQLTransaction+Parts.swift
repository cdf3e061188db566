package import TaskStore

/// The values of records that are in files.
extension SQLTransaction {
    package func parts(of keys: [Int64]) throws -> [TaskParts] {
        let parts = try RecordPart.fetchGroups(
            connection,
            "SELECT pointer, prefix, sha256, size_bytes FROM record_part WHERE task_key = ? ORDER BY ordinal",
            each: keys.map { [.integer($0)] })
        return zip(keys, parts).map { TaskParts(key: $0, parts: $1) }
    }

    func insert(_ parts: [RecordPart], of key: Int64) throws {
        for (ordinal, part) in parts.enumerated() {
            try connection.execute(
                """
                INSERT INTO record_part (task_key, ordinal, pointer, prefix, sha256, size_bytes)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
                [
                    .integer(key), ColumnValue(ordinal), .text(part.pointer), .text(part.prefix),
                    .text(part.sha256), ColumnValue(part.size),
                ])
        }
    }

    /// Deletes the rows of a record's parts, and has their files removed.
    func dropParts(of key: Int64) throws {
        try connection.execute(
            """
            INSERT INTO part_removal (sha256) SELECT sha256 FROM record_part WHERE task_key = ? ON CONFLICT DO NOTHING
            """, [.integer(key)])
        try connection.execute("DELETE FROM record_part WHERE task_key = ?", [.integer(key)])
    }

    package func hasPart(_ sha256: String) throws -> Bool {
        try connection.integer("SELECT 1 FROM record_part WHERE sha256 = ? LIMIT 1", [.text(sha256)]) != nil
    }

    package func partsToRemove(limit: Int) throws -> [String] {
        try String.fetchAll(connection, "SELECT sha256 FROM part_removal LIMIT ?", [ColumnValue(limit)])
    }

    package func noteRemovable(_ digests: [String]) throws {
        for digest in digests {
            try connection.execute(
                "INSERT INTO part_removal (sha256) VALUES (?) ON CONFLICT DO NOTHING", [.text(digest)])
        }
    }

    package func dropRemovable(_ sha256: String) throws {
        try connection.execute("DELETE FROM part_removal WHERE sha256 = ?", [.text(sha256)])
    }

    package func packedPart(_ sha256: String?) throws -> PackedPart? {
        guard let sha256 else {
            return try PackedPart.fetchOne(connection, "SELECT sha256, content FROM part_content LIMIT 1")
        }
        return try PackedPart.fetchOne(
            connection, "SELECT sha256, content FROM part_content WHERE sha256 = ?", [.text(sha256)])
    }

    package func dropPackedPart(_ sha256: String) throws {
        try connection.execute("DELETE FROM part_content WHERE sha256 = ?", [.text(sha256)])
    }
}

extension RecordPart: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        self.init(pointer: next(), prefix: next(), sha256: next(), size: next())
    }
}

extension PackedPart: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws { self.init(sha256: next(), bytes: next()) }
}
