package import TaskModel
import VerbatimJSON

/// The files behind the URLs of results.
///
/// Whatever becomes of a file, its task stays as it is.
extension TaskStore {
    /// The place of the last line of the log that was read for results to fetch; nil if none was ever read.
    package func artefactPlace() async throws(TaskStoreError) -> Int64? {
        try await read("artefactPlace") { try $0.meta()[.artefactPlace].flatMap { Int64($0) } }
    }

    /// The place of the newest line of the log.
    package func latestPlace() async throws(TaskStoreError) -> Int64 {
        try await read("latestPlace") { try $0.latestEvent().sequence }
    }

    /// Stores which files are to be fetched, and that the log was read up to that place. Files that are known stay as
    /// they are.
    package func insert(_ artefacts: [Artefact], readUpTo place: Int64) async throws(TaskStoreError) {
        try await write("insertArtefacts") { transaction in
            try transaction.insert(artefacts)
            try transaction.put(.artefactPlace, String(place))
        }
    }

    /// Stores which files of a task are to be fetched; files that are known stay as they are.
    package func insert(_ artefacts: [Artefact]) async throws(TaskStoreError) {
        try await write("insertArtefacts") { try $0.insert(artefacts) }
    }

    /// Files that are to be fetched by then from other hosts than these, in the order in which their URLs expire.
    package func artefacts(
        dueBy time: Timestamp, notFrom hosts: [String] = [], limit: Int
    ) async throws(TaskStoreError) -> [Artefact] {
        try await read("dueArtefacts") { try $0.artefacts(dueBy: time, notFrom: hosts, limit: limit) }
    }

    /// When the next file is to be fetched.
    package func nextArtefact() async throws(TaskStoreError) -> Timestamp? {
        try await read("nextArtefact") { try $0.nextArtefact() }
    }

    /// The files of a task's results, in their order.
    package func artefacts(of task: TaskID) async throws(TaskStoreError) -> [Artefact] {
        try await read("artefacts", .snapshot) { rows in
            try rows.tasks([task]).first.map { try rows.artefacts(of: $0.key) } ?? []
        }
    }

    /// The file with this digest; nil if no result has it.
    package func object(_ sha256: String) async throws(TaskStoreError) -> Artefact.Object? {
        try await read("object") { try $0.artefact(withDigest: sha256)?.object }
    }

    /// Which of these digests no result has.
    package func orphans(among digests: [String]) async throws(TaskStoreError) -> [String] {
        try await read("orphans", .snapshot) { rows in
            try digests.filter { try rows.artefact(withDigest: $0) == nil }
        }
    }

    /// Has a file fetched again, also one that is known to be saved: its object is missing. Nothing changes if it has
    /// been saved meanwhile.
    package func retry(_ artefact: Artefact, at now: Timestamp) async throws(TaskStoreError) {
        var again = artefact
        again.state = .waiting
        again.attempts = 0
        again.nextAt = now
        again.object = nil
        try await write("retryArtefact") { [again] transaction in
            guard let row = try transaction.tasks([artefact.id.task]).first,
                try transaction.artefacts(of: row.key).first(where: { $0.id == artefact.id })?.object == artefact.object
            else { return }
            try transaction.put(again, of: row.key)
        }
    }

    /// Stores what became of an attempt to fetch a file; a file that was saved gets a line in the log of its task.
    ///
    /// Nothing is stored if the file is known to be saved by now, or its task has none.
    package func put(_ artefact: Artefact, at now: Timestamp) async throws(TaskStoreError) {
        try await commit(.write("putArtefact")) { changes in
            guard let row = try changes.transaction.tasks([artefact.id.task]).first,
                let known = try changes.transaction.artefacts(of: row.key).first(where: { $0.id == artefact.id }),
                known.state != .saved
            else { return }
            try changes.transaction.put(artefact, of: row.key)
            guard artefact.state == .saved, let object = artefact.object else { return }
            changes.append(.saved(object, artefact.id, in: row.task.state, at: now), of: row.key, about: row.task)
        }
    }
}

extension StoreTransaction {
    /// Inserts files under the rows of their tasks.
    fileprivate func insert(_ artefacts: [Artefact]) throws {
        let keys = Dictionary(
            try tasks(Set(artefacts.map(\.id.task)).sorted()).map { ($0.task.id, $0.key) }
        ) { first, _ in first }
        for (task, files) in Dictionary(grouping: artefacts, by: \.id.task) {
            if let key = keys[task] { try insert(files, of: key) }
        }
    }
}

extension TaskLogEntry {
    /// A result is on disk.
    fileprivate static func saved(
        _ object: Artefact.Object, _ id: Artefact.ID, in state: TaskState, at now: Timestamp
    ) -> TaskLogEntry {
        TaskLogEntry(
            at: now, kind: "result_saved", from: state, to: state,
            detail: JSONObject([
                ("result", .number(JSONNumber(id.ordinal))), ("sha256", .string(object.sha256)),
                ("size_bytes", .number(JSONNumber(Int(object.size)))), ("media_type", .string(object.mediaType)),
                ("path", .string(object.name)),
            ]))
    }
}
