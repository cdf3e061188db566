package import TaskModel
import VerbatimJSON

extension TaskStore {
    /// The task; nil if it does not exist.
    package func task(_ id: TaskID) async throws(TaskStoreError) -> TrackedTask? {
        try await read("task") { try $0.tasks([id]).first?.task }
    }

    /// The task with its request, response and results.
    package func taskWithPayload(_ id: TaskID) async throws(TaskStoreError) -> TaskWithPayload? {
        func read(_ extent: ReadExtent) async throws(TaskStoreError) -> (TaskTexts, [ResultRow])? {
            try await self.read("taskWithPayload", extent) { rows in
                try rows.texts(of: [id], .all).first.map { ($0, try rows.results(of: [$0])[$0.key] ?? []) }
            }
        }
        guard var (texts, results) = try await read(.statement) else { return nil }
        // The details were removed between the two reads.
        if texts.resultsThatAreKept != results.count, let both = try await read(.snapshot) { (texts, results) = both }
        // A long record is parsed on another thread, because others may wait on the caller's.
        guard texts.bytes > JSONValue.handledAtOnce else { return try texts.stored(with: results) }
        let reading = Task { Result { () throws(TaskStoreError) in try texts.stored(with: results) } }
        return try await reading.value.get()
    }

    /// At most `limit` ids with that prefix.
    package func ids(withPrefix prefix: String, limit: Int) async throws(TaskStoreError) -> [TaskID] {
        try await read("ids") { try $0.ids(withPrefix: prefix.lowercased(), limit: limit) }
    }

    /// A page of tasks, newest first.
    package func tasks(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int
    ) async throws(TaskStoreError) -> TaskListing {
        try await read("tasksMatching", .page) { rows in
            let found = try rows.page(
                matching: filter, after: cursor, limit: limit + 1, maxBytes: Self.mostBytesPerPage)
            let shown = found.prefix(limit)
            let isWhole = found.count <= limit && found.reduce(0) { $0 + $1.bytes } <= Self.mostBytesPerPage
            let results = try rows.results(of: shown)
            return TaskListing(
                tasks: try shown.map { try $0.stored(with: results[$0.key] ?? []) },
                next: isWhole ? nil : shown.last.map { PageCursor(key: $0.key) })
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
