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

    func artefacts(of key: Int64) throws -> [Artefact] {
        try ArtefactRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(ArtefactRow.columns) FROM artefact
                    WHERE artefact.task_key = ? ORDER BY ordinal
                    """), binding: [.integer(key)]
        ).map(\.artefact)
    }

    func artefact(withDigest sha256: String) throws -> Artefact? {
        try ArtefactRow.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT \(ArtefactRow.columns) FROM artefact INDEXED BY artefact_object
                    WHERE sha256 = ? AND sha256 IS NOT NULL LIMIT 1
                    """), binding: .text(sha256))?.artefact
    }

    func insert(_ artefacts: [Artefact], of key: Int64) throws {
        for artefact in artefacts { try write(artefact, of: key, verb: "INSERT OR IGNORE") }
    }

    func put(_ artefact: Artefact, of key: Int64) throws { try write(artefact, of: key, verb: "INSERT OR REPLACE") }

    private func write(_ artefact: Artefact, of key: Int64, verb: String) throws {
        try db.cachedStatement(
            sql: """
                \(verb) INTO artefact (
                  task_key, ordinal, state, url, host, attempts, next_at_ms, expires_at_ms, sha256, size_bytes,
                  media_type, name, error)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(
            binding: .integer(key), ColumnValue(artefact.id.ordinal), .text(artefact.state.rawValue),
            .text(artefact.url), .text(artefact.host), ColumnValue(artefact.attempts),
            ColumnValue(artefact.nextAt), .integer(artefact.expiresAt?.milliseconds ?? .max),
            ColumnValue(artefact.object?.sha256), ColumnValue(artefact.object?.size),
            ColumnValue(artefact.object?.mediaType), ColumnValue(artefact.object?.name), ColumnValue(artefact.error))
    }
}

/// A row of `artefact`, with the id of its task.
struct ArtefactRow: ColumnDecodable {
    let artefact: Artefact

    static let columns = """
        (SELECT id FROM task WHERE task.task_key = artefact.task_key), artefact.ordinal, artefact.state, artefact.url,
        artefact.host, artefact.attempts, artefact.next_at_ms, artefact.expires_at_ms, artefact.sha256,
        artefact.size_bytes, artefact.media_type, artefact.name, artefact.error
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
        let (nextAt, expiresAt): (Int64?, Int64?) = (next.optional(), next.optional())
        let (sha256, size, type): (String?, Int64?, String?) = (next.optional(), next.optional(), next.optional())
        let (name, error): (String?, String?) = (next.optional(), next.optional())
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
        artefact.error = error
        if let sha256, let size, let type, let name {
            artefact.object = Artefact.Object(sha256: sha256, size: size, mediaType: type, name: name)
        }
        return artefact
    }
}
