package import TaskModel
import VerbatimJSON

extension TaskStore {
    /// The task; nil if it does not exist.
    package func task(_ id: TaskID) async throws(TaskStoreError) -> TrackedTask? {
        try await read("task") { try $0.tasks([id]).first?.task }
    }

    /// How values that are in files are read.
    package enum PartReading: Sendable {
        /// As they came; throws ``TaskStoreError/partUnreadable(_:)`` if that fails.
        case whole
        /// As nulls, without reading a file.
        case nulls
    }

    /// The task with its request, response and results.
    package func taskWithPayload(
        _ id: TaskID, _ reading: PartReading = .whole
    ) async throws(TaskStoreError) -> TaskWithPayload? {
        guard var rows = try await rows(of: id, .statement) else { return nil }
        let texts = rows.texts
        // The details were removed between the two reads.
        if texts.partBytes > 0 || texts.resultsThatAreKept != rows.results.count,
            let both = try await self.rows(of: id, .snapshot)
        {
            rows = both
        }
        var parts = rows.parts.map { FilledPart(part: $0, value: .null) }
        if reading == .whole, !parts.isEmpty {
            guard let filled = try await filled(&rows) else { return nil }
            parts = filled
        }
        // A long record is parsed on another thread, because others may wait on the caller's.
        guard rows.texts.bytes > JSONValue.handledAtOnce else {
            return try rows.texts.stored(with: rows.results, parts: parts)
        }
        let parsing = Task { [rows, parts] in
            Result { () throws(TaskStoreError) in try rows.texts.stored(with: rows.results, parts: parts) }
        }
        return try await parsing.value.get()
    }

    /// The rows that a task is made of.
    private struct Rows: Sendable {
        let texts: TaskTexts
        let results: [ResultRow]
        let parts: [RecordPart]
    }

    private func rows(of id: TaskID, _ extent: ReadExtent) async throws(TaskStoreError) -> Rows? {
        try await read("taskWithPayload", extent) { rows in
            try rows.texts(of: [id], .all).first.map { texts in
                Rows(
                    texts: texts, results: try rows.results(of: [texts])[texts.key] ?? [],
                    parts: try rows.parts(of: [texts])[texts.key] ?? [])
            }
        }
    }

    /// Reads the files of a record; nil if the task was removed. If the record is replaced meanwhile, so are the rows.
    private func filled(_ rows: inout Rows) async throws(TaskStoreError) -> [FilledPart]? {
        while true {
            let failure: TaskStoreError
            do throws(TaskStoreError) { return try await filled(rows.parts) } catch { failure = error }
            guard let again = try await self.rows(of: rows.texts.task.id, .snapshot) else { return nil }
            if again.parts == rows.parts { throw failure }
            rows = again
        }
    }

    /// At most `limit` ids with that prefix.
    package func ids(withPrefix prefix: String, limit: Int) async throws(TaskStoreError) -> [TaskID] {
        try await read("ids") { try $0.ids(withPrefix: prefix.lowercased(), limit: limit) }
    }

    /// The number of tasks that the filter selects, of at most ``mostCounted``.
    package func count(matching filter: TaskFilter) async throws(TaskStoreError) -> FilteredCount {
        guard !filter.isCounted else {
            let counts = try await counts().filter { count in
                (filter.states.isEmpty || filter.states.contains(count.state))
                    && (filter.endpoints.isEmpty || filter.endpoints.contains(count.endpoint))
            }
            return FilteredCount(count: counts.reduce(0) { $0 + $1.count }, isComplete: true)
        }
        let found = try await read("count", .page) { try $0.count(matching: filter, upTo: Self.mostCounted + 1) }
        return FilteredCount(count: min(found, Self.mostCounted), isComplete: found <= Self.mostCounted)
    }

    /// The maximum number of tasks that are counted one by one.
    package static let mostCounted = 100_000

    /// The names of labels that tasks have, or the values of the label with that name; those with that prefix.
    package func labels(
        named name: String?, withPrefix prefix: String, limit: Int
    ) async throws(TaskStoreError) -> [String] {
        try await read("labels", .page) { try $0.labels(named: name, withPrefix: prefix, limit: limit) }
    }

    /// A page of tasks, newest first.
    package func tasks(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int, with documents: ListedDocuments = .all
    ) async throws(TaskStoreError) -> TaskListing {
        let (shown, isWhole) = try await read("tasksMatching", .page) { rows in
            let found = try rows.page(
                matching: filter, after: cursor, limit: limit + 1, maxBytes: Self.mostBytesPerPage, with: documents)
            let shown = found.prefix(limit)
            let isWhole = found.count <= limit && found.reduce(0) { $0 + $1.bytes } <= Self.mostBytesPerPage
            let results = documents.contains(.results) ? try rows.results(of: shown) : [:]
            return (
                try shown.map { texts in
                    Listed(
                        key: texts.key, id: texts.task.id,
                        whole: texts.partBytes > 0
                            ? nil
                            : try texts.stored(
                                with: results[texts.key] ?? [], hasRecord: documents.contains(.response)))
                }, isWhole
            )
        }
        var tasks: [TaskWithPayload] = []
        for listed in shown {
            if let task = listed.whole {
                tasks.append(task)
            } else if let task = try await listedTask(listed.id) {
                tasks.append(task)
            }
        }
        return TaskListing(tasks: tasks, next: isWhole ? nil : shown.last.map { PageCursor(key: $0.key) })
    }

    /// A task of a page; not whole if values of its record are in files.
    private struct Listed: Sendable {
        let key: Int64
        let id: TaskID
        let whole: TaskWithPayload?
    }

    /// A task of a list. Values that cannot be read are null, so that one file does not make the list fail.
    private func listedTask(_ id: TaskID) async throws(TaskStoreError) -> TaskWithPayload? {
        do throws(TaskStoreError) {
            return try await taskWithPayload(id)
        } catch .partUnreadable {
            return try await taskWithPayload(id, .nulls)
        }
    }

    /// The size at which a page ends before its limit. Records may contain results of megabytes.
    private static let mostBytesPerPage = 16 << 20

    /// A page of a task's log after that place in the whole log, oldest first.
    package func events(
        of id: TaskID, after sequence: Int64, limit: Int
    ) async throws(TaskStoreError) -> [StoredEvent] {
        try await read("events", .page) { rows in
            try rows.events(of: id, after: sequence, limit: limit).map { try StoredEvent($0, of: id) }
        }
    }

    /// Accepted tasks of the same endpoint, those of that account first, then nearest in time first. A reply or a
    /// callback proves their acceptance. Documents longer than `maxBytes` are omitted.
    package func acceptedNeighbours(
        of id: TaskID, by account: AccountName, within span: Duration, limit: Int, maxBytes: Int
    ) async throws(TaskStoreError) -> [TaskWithPayload] {
        try await read("acceptedNeighbours", .snapshot) { rows in
            guard let row = try rows.tasks([id]).first, let start = row.task.attempt?.startedAt else { return [] }
            func distance(_ task: TrackedTask) -> Double { abs(((task.submittedAt ?? start) - start).inSeconds) }
            let period = start - span...start + span
            var near = try rows.neighbours(of: row, by: .unknown, submittedIn: period)
            if !near.contains(where: { $0.account == account }) {
                near += try rows.neighbours(of: row, by: account, submittedIn: period)
            }
            func isOther(_ task: TrackedTask) -> Int { task.account == account ? 0 : 1 }
            let nearest = near.filter { $0.wasSeenAccepted && !$0.isStub }
                .sorted { (isOther($0), distance($0), $0.id) < (isOther($1), distance($1), $1.id) }
                .prefix(limit).map(\.id)
            let texts = Dictionary(
                try rows.texts(of: nearest, .upTo(bytes: maxBytes)).map { ($0.task.id, $0) }
            ) { first, _ in first }
            return try nearest.compactMap { try texts[$0]?.stored }
        }
    }
}
