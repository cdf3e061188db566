package import TaskModel
package import TaskStore

/// The files behind the URLs of results.
extension SQLTransaction {
    package func artefacts(dueBy time: Timestamp, notFrom hosts: [String], limit: Int) throws -> [Artefact] {
        let marks = repeatElement("?", count: hosts.count).joined(separator: ", ")
        let isElsewhere = hosts.isEmpty ? "" : "AND host NOT IN (\(marks))"
        return try ArtefactRow.fetchAll(
            connection,
            """
            SELECT \(ArtefactRow.columns) FROM artefact \(dialect.indexed(by: "artefact_expiry"))
            WHERE artefact.state = 'waiting' AND next_at_ms <= ? \(isElsewhere)
            ORDER BY expires_at_ms LIMIT ?
            """, [ColumnValue(time)] + hosts.map { .text($0) } + [ColumnValue(limit)]
        ).map(\.artefact)
    }

    package func nextArtefact() throws -> Timestamp? {
        try connection.integer(
            "SELECT MIN(next_at_ms) FROM artefact \(dialect.indexed(by: "artefact_next")) WHERE state = 'waiting'"
        ).map { Timestamp(milliseconds: $0) }
    }

    package func moveArtefacts(by jump: Duration) throws {
        try connection.execute(
            """
            UPDATE artefact \(dialect.indexed(by: "artefact_next")) SET next_at_ms = next_at_ms + ?
            WHERE state = 'waiting'
            """, [.integer(jump.wholeMilliseconds)])
    }

    package func bringArtefactsForward(dueAfter latest: Timestamp, to now: Timestamp) throws -> Int {
        try connection.change(
            """
            UPDATE artefact \(dialect.indexed(by: "artefact_next")) SET next_at_ms = ?
            WHERE state = 'waiting' AND next_at_ms > ?
            """, [ColumnValue(now), ColumnValue(latest)])
    }

    package func artefacts(of key: Int64) throws -> [Artefact] {
        try ArtefactRow.fetchAll(
            connection,
            """
            SELECT \(ArtefactRow.columns) FROM artefact
            WHERE artefact.task_key = ? ORDER BY ordinal
            """, [.integer(key)]
        ).map(\.artefact)
    }

    package func artefact(withDigest sha256: String, _ condition: ArtefactCondition) throws -> Artefact? {
        let isSo =
            switch condition {
            case .any: ""
            case .saved: "AND artefact.state = 'saved'"
            case .undelivered: "AND artefact.state = 'saved' AND delivered_at_ms IS NULL"
            }
        return try ArtefactRow.fetchOne(
            connection,
            """
            SELECT \(ArtefactRow.columns) FROM artefact \(dialect.indexed(by: "artefact_object"))
            WHERE sha256 = ? AND sha256 IS NOT NULL \(isSo) LIMIT 1
            """, [.text(sha256)])?.artefact
    }

    package func savedDigests(after sha256: String, limit: Int) throws -> [String] {
        try String.fetchAll(
            connection,
            """
            SELECT DISTINCT sha256 FROM artefact \(dialect.indexed(by: "artefact_object"))
            WHERE sha256 > ? AND sha256 IS NOT NULL AND state = 'saved' ORDER BY sha256 LIMIT ?
            """, [.text(sha256), ColumnValue(limit)])
    }

    package func artefacts(savedBy time: Timestamp, after place: (savedAt: Timestamp, key: Int64)?, limit: Int) throws
        -> [StoredArtefact]
    {
        let start = place ?? (savedAt: Timestamp(milliseconds: .min), key: .min)
        return try StoredArtefact.fetchAll(
            connection,
            """
            SELECT artefact.task_key, \(ArtefactRow.columns) FROM artefact \(dialect.indexed(by: "artefact_age"))
            JOIN task ON task.task_key = artefact.task_key
            WHERE artefact.state = 'saved' AND artefact.url <> '' AND is_pinned = 0 AND saved_at_ms >= ?1
              AND (saved_at_ms > ?1 OR artefact.task_key > ?2) AND saved_at_ms <= ?3
            ORDER BY saved_at_ms, artefact.task_key LIMIT ?4
            """, [ColumnValue(start.savedAt), .integer(start.key), ColumnValue(time), ColumnValue(limit)])
    }

    package func deliveredArtefacts(limit: Int) throws -> [Artefact] {
        try ArtefactRow.fetchAll(
            connection,
            """
            SELECT \(ArtefactRow.columns) FROM artefact \(dialect.indexed(by: "artefact_delivered"))
            WHERE artefact.state = 'saved' AND artefact.url <> '' AND delivered_at_ms IS NOT NULL AND NOT EXISTS (
              SELECT 1 FROM artefact AS twin \(dialect.indexed(by: "artefact_object"))
              JOIN task ON task.task_key = twin.task_key
              WHERE twin.sha256 = artefact.sha256 AND twin.sha256 IS NOT NULL AND twin.state = 'saved'
                AND (twin.delivered_at_ms IS NULL OR is_pinned = 1))
            ORDER BY delivered_at_ms LIMIT ?
            """, [ColumnValue(limit)]
        ).map(\.artefact)
    }

    package func artefactsToRemove(limit: Int) throws -> [Artefact] {
        try ArtefactRow.fetchAll(
            connection,
            """
            SELECT \(ArtefactRow.columns) FROM artefact \(dialect.indexed(by: "artefact_removal"))
            WHERE artefact.state = 'removing' ORDER BY saved_at_ms LIMIT ?
            """, [ColumnValue(limit)]
        ).map(\.artefact)
    }

    package func artefactCounts() throws -> ArtefactCounts {
        func count(_ index: String, _ condition: String) throws -> Int {
            Int(
                try connection.integer("SELECT COUNT(*) FROM artefact \(dialect.indexed(by: index)) WHERE \(condition)")
                    ?? 0)
        }
        return ArtefactCounts(
            waiting: try count("artefact_next", "state = 'waiting'"),
            withoutRoom: try count("artefact_room", "lacks_room = 1"))
    }

    package func noteDelivery(of sha256: String, at time: Timestamp) throws {
        try connection.execute(
            """
            UPDATE artefact \(dialect.indexed(by: "artefact_object")) SET delivered_at_ms = ?
            WHERE sha256 = ? AND sha256 IS NOT NULL AND delivered_at_ms IS NULL
            """, [ColumnValue(time), .text(sha256)])
    }

    package func insert(_ artefacts: [Artefact], of key: Int64) throws {
        for artefact in artefacts {
            try write(artefact, of: key, ifThere: "ON CONFLICT (task_key, ordinal) DO NOTHING")
        }
    }

    package func put(_ artefact: Artefact, of key: Int64) throws {
        try write(
            artefact, of: key, ifThere: Self.replacing(key: ["task_key", "ordinal"], others: Self.artefactColumns))
    }

    private static let artefactColumns = [
        "state", "url", "host", "attempts", "next_at_ms", "expires_at_ms", "lacks_room", "saved_at_ms", "sha256",
        "size_bytes", "media_type", "name", "delivered_at_ms", "error",
    ]

    private func write(_ artefact: Artefact, of key: Int64, ifThere conflict: String) throws {
        try connection.execute(
            """
            INSERT INTO artefact (task_key, ordinal, \(Self.artefactColumns.joined(separator: ", ")))
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            \(conflict)
            """,
            [
                .integer(key), ColumnValue(artefact.id.ordinal), .text(artefact.state.rawValue),
                .text(artefact.url), .text(artefact.host), ColumnValue(artefact.attempts),
                ColumnValue(artefact.nextAt), .integer(artefact.expiresAt?.milliseconds ?? .max),
                ColumnValue(artefact.lacksRoom), ColumnValue(artefact.savedAt), ColumnValue(artefact.object?.sha256),
                ColumnValue(artefact.object?.size), ColumnValue(artefact.object?.mediaType),
                ColumnValue(artefact.object?.name), ColumnValue(artefact.deliveredAt), ColumnValue(artefact.error),
            ])
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
    package init(_ next: inout ColumnReader) throws {
        self.init(key: next(), artefact: try ArtefactRow(&next).artefact)
    }
}
