import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// The files behind the URLs of results.
extension SQLiteTransaction {
    func artefacts(dueBy time: Timestamp, notFrom hosts: [String], limit: Int) throws -> [Artefact] {
        let marks = repeatElement("?", count: hosts.count).joined(separator: ", ")
        return try ArtefactRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(ArtefactRow.columns) FROM artefact INDEXED BY artefact_expiry
                    WHERE artefact.state = 'waiting' AND next_at_ms <= ? AND host NOT IN (\(marks))
                    ORDER BY expires_at_ms LIMIT ?
                    """),
            binding: [ColumnValue(time)] + hosts.map { .text($0) } + [ColumnValue(limit)]
        ).map(\.artefact)
    }

    func nextArtefact() throws -> Timestamp? {
        try Int64.fetchOne(
            db.cachedStatement(
                sql: "SELECT MIN(next_at_ms) FROM artefact INDEXED BY artefact_next WHERE state = 'waiting'")
        ).map { Timestamp(milliseconds: $0) }
    }

    func moveArtefacts(by jump: Duration) throws {
        try db.cachedStatement(
            sql: """
                UPDATE artefact INDEXED BY artefact_next SET next_at_ms = next_at_ms + ? WHERE state = 'waiting'
                """
        ).execute(arguments: [jump.wholeMilliseconds])
    }

    func bringArtefactsForward(dueAfter latest: Timestamp, to now: Timestamp) throws -> Int {
        try db.cachedStatement(
            sql: """
                UPDATE artefact INDEXED BY artefact_next SET next_at_ms = ? WHERE state = 'waiting' AND next_at_ms > ?
                """
        ).execute(arguments: [now.milliseconds, latest.milliseconds])
        return db.changesCount
    }

    func artefacts(of key: Int64) throws -> [Artefact] {
        try ArtefactRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(ArtefactRow.columns) FROM artefact
                    WHERE artefact.task_key = ? ORDER BY ordinal
                    """), binding: [.integer(key)]
        ).map(\.artefact)
    }

    func artefact(withDigest sha256: String, isSaved: Bool) throws -> Artefact? {
        try ArtefactRow.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT \(ArtefactRow.columns) FROM artefact INDEXED BY artefact_object
                    WHERE sha256 = ? AND sha256 IS NOT NULL\(isSaved ? " AND artefact.state = 'saved'" : "") LIMIT 1
                    """), binding: .text(sha256))?.artefact
    }

    func savedDigests(after sha256: String, limit: Int) throws -> [String] {
        try String.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT DISTINCT sha256 FROM artefact INDEXED BY artefact_object
                    WHERE sha256 > ? AND sha256 IS NOT NULL AND state = 'saved' ORDER BY sha256 LIMIT ?
                    """), arguments: [sha256, limit])
    }

    func artefacts(savedBy time: Timestamp, after place: (savedAt: Timestamp, key: Int64)?, limit: Int) throws
        -> [StoredArtefact]
    {
        let start = place ?? (savedAt: Timestamp(milliseconds: .min), key: .min)
        return try StoredArtefact.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT artefact.task_key, \(ArtefactRow.columns) FROM artefact INDEXED BY artefact_age
                    JOIN task ON task.task_key = artefact.task_key
                    WHERE artefact.state = 'saved' AND artefact.url <> '' AND is_pinned = 0 AND saved_at_ms >= ?1
                      AND (saved_at_ms > ?1 OR artefact.task_key > ?2) AND saved_at_ms <= ?3
                    ORDER BY saved_at_ms, artefact.task_key LIMIT ?4
                    """),
            binding: [ColumnValue(start.savedAt), .integer(start.key), ColumnValue(time), ColumnValue(limit)])
    }

    func deliveredArtefacts(limit: Int) throws -> [Artefact] {
        try ArtefactRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(ArtefactRow.columns) FROM artefact INDEXED BY artefact_delivered
                    WHERE artefact.state = 'saved' AND artefact.url <> '' AND delivered_at_ms IS NOT NULL AND NOT EXISTS (
                      SELECT 1 FROM artefact AS twin INDEXED BY artefact_object
                      JOIN task ON task.task_key = twin.task_key
                      WHERE twin.sha256 = artefact.sha256 AND twin.sha256 IS NOT NULL AND twin.state = 'saved'
                        AND (twin.delivered_at_ms IS NULL OR is_pinned = 1))
                    ORDER BY delivered_at_ms LIMIT ?
                    """), binding: [ColumnValue(limit)]
        ).map(\.artefact)
    }

    func artefactsToRemove(limit: Int) throws -> [Artefact] {
        try ArtefactRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(ArtefactRow.columns) FROM artefact INDEXED BY artefact_removal
                    WHERE artefact.state = 'removing' ORDER BY saved_at_ms LIMIT ?
                    """), binding: [ColumnValue(limit)]
        ).map(\.artefact)
    }

    func artefactCounts() throws -> ArtefactCounts {
        func count(_ index: String, _ condition: String) throws -> Int {
            try Int.fetchOne(
                db.cachedStatement(sql: "SELECT COUNT(*) FROM artefact INDEXED BY \(index) WHERE \(condition)")) ?? 0
        }
        return ArtefactCounts(
            waiting: try count("artefact_next", "state = 'waiting'"),
            withoutRoom: try count("artefact_room", "lacks_room = 1"))
    }

    func noteDelivery(of sha256: String, at time: Timestamp) throws {
        try db.cachedStatement(
            sql: """
                UPDATE artefact INDEXED BY artefact_object SET delivered_at_ms = ?
                WHERE sha256 = ? AND sha256 IS NOT NULL AND delivered_at_ms IS NULL
                """
        ).execute(binding: ColumnValue(time), .text(sha256))
    }

    func insert(_ artefacts: [Artefact], of key: Int64) throws {
        for artefact in artefacts { try write(artefact, of: key, verb: "INSERT OR IGNORE") }
    }

    func put(_ artefact: Artefact, of key: Int64) throws { try write(artefact, of: key, verb: "INSERT OR REPLACE") }

    private func write(_ artefact: Artefact, of key: Int64, verb: String) throws {
        try db.cachedStatement(
            sql: """
                \(verb) INTO artefact (
                  task_key, ordinal, state, url, host, attempts, next_at_ms, expires_at_ms, lacks_room, saved_at_ms,
                  sha256, size_bytes, media_type, name, delivered_at_ms, error)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(
            binding: .integer(key), ColumnValue(artefact.id.ordinal), .text(artefact.state.rawValue),
            .text(artefact.url), .text(artefact.host), ColumnValue(artefact.attempts),
            ColumnValue(artefact.nextAt), .integer(artefact.expiresAt?.milliseconds ?? .max),
            ColumnValue(artefact.lacksRoom), ColumnValue(artefact.savedAt), ColumnValue(artefact.object?.sha256),
            ColumnValue(artefact.object?.size),
            ColumnValue(artefact.object?.mediaType), ColumnValue(artefact.object?.name),
            ColumnValue(artefact.deliveredAt), ColumnValue(artefact.error))
    }
}

/// A row of `artefact`, with the id of its task.
struct ArtefactRow: ColumnDecodable {
    let artefact: Artefact

    static let columns = """
        (SELECT id FROM task WHERE task.task_key = artefact.task_key), artefact.ordinal, artefact.state, artefact.url,
        artefact.host, artefact.attempts, artefact.next_at_ms, artefact.expires_at_ms, artefact.lacks_room,
        artefact.saved_at_ms, artefact.sha256, artefact.size_bytes, artefact.media_type, artefact.name,
        artefact.delivered_at_ms, artefact.error
        """

    init(_ next: inout ColumnReader) throws {
        guard let artefact = try Self.optional(&next) else {
            throw TaskStoreError.damaged("a saved result cannot be read")
        }
        self.artefact = artefact
    }

    /// The artefact of a joined row; nil if the join found none.
    static func optional(_ next: inout ColumnReader) throws -> Artefact? {
        let (task, ordinal, state): (String?, Int?, String?) = (next.optional(), next.optional(), next.optional())
        let (url, host, attempts): (String?, String?, Int?) = (next.optional(), next.optional(), next.optional())
        let (nextAt, expiresAt, lacksRoom): (Int64?, Int64?, Int?) = (next.optional(), next.optional(), next.optional())
        let savedAt = next.time()
        let (sha256, size, type): (String?, Int64?, String?) = (next.optional(), next.optional(), next.optional())
        let name: String? = next.optional()
        let deliveredAt = next.time()
        let error: String? = next.optional()
        guard let ordinal else { return nil }
        guard let task = task.flatMap({ TaskID($0) }), let state = state.flatMap(Artefact.State.init(rawValue:)),
            let url, let host, let attempts, let nextAt, let expiresAt
        else { throw TaskStoreError.damaged("a saved result cannot be read") }
        var artefact = Artefact(
            Artefact.ID(task: task, ordinal: ordinal), url: url, host: host,
            expiresAt: expiresAt == .max ? nil : Timestamp(milliseconds: expiresAt),
            nextAt: Timestamp(milliseconds: nextAt))
        artefact.state = state
        artefact.attempts = attempts
        artefact.lacksRoom = lacksRoom == 1
        artefact.savedAt = savedAt
        artefact.deliveredAt = deliveredAt
        artefact.error = error
        if let sha256, let size, let type, let name {
            artefact.object = Artefact.Object(sha256: sha256, size: size, mediaType: type, name: name)
        }
        return artefact
    }
}

extension StoredArtefact: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        self.init(key: next(), artefact: try ArtefactRow(&next).artefact)
    }
}
