package import TaskModel
import VerbatimJSON

/// The files behind the URLs of results.
///
/// The state of a file never changes the state of its task.
extension TaskStore {
    /// The place of the last line of the log that was read for results to fetch. The first call ever makes it the end of the log:
    /// what succeeded before is not fetched.
    package func artefactPlace() async throws(TaskStoreError) -> Int64 {
        if let place = try await read("artefactPlace", .statement, { try $0.artefactPlace() }) { return place }
        return try await write("beginArtefacts") { transaction in
            if let place = try transaction.artefactPlace() { return place }
            let end = try transaction.latestEvent().sequence
            try transaction.put(.artefactPlace, String(end))
            return end
        }
    }

    /// The id of the directory in which files are kept; nil if none was used yet.
    package func artefactDirectory() async throws(TaskStoreError) -> String? {
        try await read("artefactDirectory") { try $0.meta()[.artefactDirectory] }
    }

    /// Stores the id of the directory in which files are kept.
    package func put(artefactDirectory id: String) async throws(TaskStoreError) {
        try await write("putArtefactDirectory") { try $0.put(.artefactDirectory, id) }
    }

    /// Whether there is a saved file.
    package func hasFiles() async throws(TaskStoreError) -> Bool {
        try await !savedDigests(after: "", limit: 1).isEmpty
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
        try await read("object") { try $0.artefact(withDigest: sha256, .saved)?.object }
    }

    /// Which of these digests no result has.
    package func orphans(among digests: [String]) async throws(TaskStoreError) -> [String] {
        try await read("orphans", .snapshot) { rows in
            try digests.filter { try rows.artefact(withDigest: $0, .any) == nil }
        }
    }

    /// The digests of saved files after that one, in their order.
    package func savedDigests(after sha256: String, limit: Int) async throws(TaskStoreError) -> [String] {
        try await read("savedDigests", .page) { try $0.savedDigests(after: sha256, limit: limit) }
    }

    /// Has every saved file with that digest fetched again, since its object is missing.
    package func fetchAgain(_ sha256: String, at now: Timestamp) async throws(TaskStoreError) {
        try await write("fetchAgain") { transaction in
            while let artefact = try transaction.artefact(withDigest: sha256, .saved),
                let row = try transaction.tasks([artefact.id.task]).first
            {
                try transaction.put(artefact.again(at: now), of: row.key)
            }
        }
    }

    /// Has a file fetched again, also one that is known to be saved: its object is missing. Nothing changes if it has
    /// been saved meanwhile.
    package func retry(_ artefact: Artefact, at now: Timestamp) async throws(TaskStoreError) {
        let again = artefact.again(at: now)
        try await write("retryArtefact") { transaction in
            guard let row = try transaction.tasks([artefact.id.task]).first,
                let known = try transaction.artefacts(of: row.key).first(where: { $0.id == artefact.id }),
                known.object == artefact.object, known.state != .removing
            else { return }
            try transaction.put(again, of: row.key)
        }
    }

    /// Stores what became of an attempt to fetch a file. A file that was saved, and one that begins to wait for room, get a line
    /// in the log of their task.
    ///
    /// Nothing is stored, and false returned, if the file does not wait any more, or its task has none.
    @discardableResult
    package func put(_ artefact: Artefact, at now: Timestamp) async throws(TaskStoreError) -> Bool {
        var artefact = artefact
        if artefact.state != .waiting { artefact.lacksRoom = false }
        if artefact.state == .saved { artefact.savedAt = now }
        return try await commit(.write("putArtefact")) { [artefact] changes in
            guard let row = try changes.transaction.tasks([artefact.id.task]).first,
                let known = try changes.transaction.artefacts(of: row.key).first(where: { $0.id == artefact.id }),
                known.state == .waiting
            else { return false }
            try changes.transaction.put(artefact, of: row.key)
            if artefact.state == .saved || artefact.lacksRoom && !known.lacksRoom {
                changes.append(TaskLogEntry(artefact, in: row.task.state, at: now), of: row.key, about: row.task)
            }
            return true
        }
    }
}

/// Files that leave the disk. A file is marked first, then removed, then noted as removed, so a crash leaves no doubt about it.
extension TaskStore {
    /// Saved files that clients have had, those that were had first before others.
    package func deliveredArtefacts(limit: Int) async throws(TaskStoreError) -> [Artefact] {
        try await read("deliveredArtefacts", .page) { try $0.deliveredArtefacts(limit: limit) }
    }

    /// Notes that a client has had the whole file with that digest.
    package func noteDelivery(of sha256: String, at now: Timestamp) async throws(TaskStoreError) {
        let isNew = try await read("delivery") { rows in
            try rows.artefact(withDigest: sha256, .undelivered) != nil
        }
        guard isNew else { return }
        try await write("noteDelivery") { try $0.noteDelivery(of: sha256, at: now) }
    }

    /// Marks files for removal that are still as they are here; returns those.
    package func markForRemoval(
        _ artefacts: [Artefact], because reason: String
    ) async throws(TaskStoreError) -> [Artefact] {
        try await write("markArtefacts") { transaction in
            try artefacts.compactMap { artefact -> Artefact? in
                guard let row = try transaction.tasks([artefact.id.task]).first, !row.task.isPinned,
                    try transaction.artefacts(of: row.key).contains(artefact)
                else { return nil }
                return try transaction.mark(artefact, of: row.key, because: reason)
            }
        }
    }

    /// Files that are marked for removal.
    package func artefactsToRemove(limit: Int) async throws(TaskStoreError) -> [Artefact] {
        try await read("artefactsToRemove") { try $0.artefactsToRemove(limit: limit) }
    }

    /// Notes that a marked file is not on disk any more.
    package func noteRemoval(of artefact: Artefact) async throws(TaskStoreError) {
        var removed = artefact
        removed.state = .removed
        (removed.object, removed.savedAt, removed.deliveredAt) = (nil, nil, nil)
        try await write("noteRemoval") { [removed] transaction in
            guard let row = try transaction.tasks([artefact.id.task]).first,
                try transaction.artefacts(of: row.key).contains(artefact)
            else { return }
            try transaction.put(removed, of: row.key)
        }
    }

    /// How many files wait.
    package func artefactCounts() async throws(TaskStoreError) -> ArtefactCounts {
        try await read("artefactCounts") { try $0.artefactCounts() }
    }
}

extension Artefact {
    /// The file as it is to be fetched from the beginning.
    fileprivate func again(at now: Timestamp) -> Artefact {
        Artefact(id, url: url, host: host, expiresAt: expiresAt, nextAt: now)
    }
}

extension StoreTransaction {
    /// Marks a saved file for removal.
    @discardableResult
    func mark(_ artefact: Artefact, of key: Int64, because reason: String) throws -> Artefact {
        var marked = artefact
        marked.state = .removing
        marked.error = reason
        try put(marked, of: key)
        return marked
    }

    /// Marks the saved files of a task for removal, and gives up those that wait. All of them, or those of content only.
    func removeArtefacts(of key: Int64, onlyContent: Bool = false, because reason: String) throws {
        for artefact in try artefacts(of: key) where artefact.isContent || !onlyContent {
            switch artefact.state {
            case .saved: try mark(artefact, of: key, because: reason)
            case .waiting:
                var removed = artefact
                (removed.state, removed.lacksRoom, removed.error) = (.removed, false, reason)
                try put(removed, of: key)
            case .removing, .removed, .gone, .refused: break
            }
        }
    }

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
    /// A result is on disk, or waits for room there.
    fileprivate init(_ artefact: Artefact, in state: TaskState, at now: Timestamp) {
        var detail = JSONObject([("result", .number(JSONNumber(artefact.id.ordinal)))])
        if let object = artefact.object {
            detail["sha256"] = .string(object.sha256)
            detail["size_bytes"] = .number(JSONNumber(Int(object.size)))
            detail["media_type"] = .string(object.mediaType)
            detail["path"] = .string(object.name)
        } else {
            detail["message"] = .string(artefact.error ?? "")
        }
        let kind = artefact.object == nil ? "result_waiting" : "result_saved"
        self.init(at: now, kind: kind, from: state, to: state, detail: detail)
    }
}

extension StoreSnapshot {
    fileprivate func artefactPlace() throws -> Int64? { try meta()[.artefactPlace].flatMap { Int64($0) } }
}
