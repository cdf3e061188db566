import Synchronization
import TaskModel
import VerbatimJSON

/// The long values of records, which are in files.
///
/// A file is on disk before the commit of its record, and is removed after the commit that removes the last record with it.
/// So a crash leaves files that no record has, and never the opposite. Where a file cannot be written, the value stays in
/// the record.
extension TaskStore {
    /// Makes events ready to be written. Long values of their records are in files when the call returns.
    func prepare(_ batch: [ScheduledEvent]) async -> [PreparedEvent] {
        guard let files else { return batch.map { PreparedEvent($0) } }
        var prepared: [PreparedEvent] = []
        for planned in batch {
            // Most records are short, which shows without a search.
            let mayHaveParts =
                planned.event.recordToKeep.map { longestInRecord < RecordPart.longestInRecord || $0.isLong } ?? false
            guard mayHaveParts else {
                prepared.append(PreparedEvent(planned))
                continue
            }
            prepared.append(await PreparedEvent(planned, in: files, over: longestInRecord))
        }
        return prepared
    }

    /// Lets the files be removed again. After a failed commit it is not known whether a record has them.
    func settle(_ parts: [RecordPart], afterFailure hasFailed: Bool) {
        if hasFailed { unnotedParts.add(parts.map(\.sha256)) }
        for part in parts { files?.settle(part.sha256) }
    }

    /// Which of these digests no record has.
    package func orphanParts(among digests: [String]) async throws(TaskStoreError) -> [String] {
        try await read("orphanParts", .snapshot) { rows in try digests.filter { try !rows.hasPart($0) } }
    }

    /// Files that may be removed.
    package func partsToRemove(limit: Int) async throws(TaskStoreError) -> [String] {
        guard files != nil else {
            try await dropUnusedParts(limit: limit)
            return []
        }
        let unnoted = unnotedParts.all
        if !unnoted.isEmpty {
            try await write("dropParts") { try $0.noteRemovable(unnoted) }
            unnotedParts.remove(unnoted)
        }
        return try await read("partsToRemove") { try $0.partsToRemove(limit: limit) }
    }

    /// Removes contents that no record has, where the database keeps them itself.
    private func dropUnusedParts(limit: Int) async throws(TaskStoreError) {
        let unused = try await read("partsToRemove") { try $0.partsToRemove(limit: limit) }
        guard !unused.isEmpty else { return }
        try await write("dropUnusedParts") { transaction in
            for sha256 in unused {
                if try !transaction.hasPart(sha256) { try transaction.dropPackedPart(sha256) }
                try transaction.dropRemovable(sha256)
            }
        }
    }

    /// Whether a record has the file. If one has it, it is not to be removed any more.
    package func keepsPart(_ sha256: String) async throws(TaskStoreError) -> Bool {
        try await write("keepPart") { transaction in
            guard try transaction.hasPart(sha256) else { return false }
            try transaction.dropRemovable(sha256)
            return true
        }
    }

    /// Notes that a file is not on disk any more.
    package func notePartRemoval(of sha256: String) async throws(TaskStoreError) {
        try await write("notePartRemoval") { try $0.dropRemovable(sha256) }
    }

    /// Writes what a backup contains of files to files again; returns their number.
    ///
    /// A file that cannot be written stays in the database, and is read there.
    package func unpackParts() async throws(TaskStoreError) -> Int {
        guard let files else { return 0 }
        var count = 0
        while let content = try await read("packedPart", .page, { try $0.packedPart(nil) }) {
            guard await keep(content, in: files) else { return count }
            defer { files.settle(content.sha256) }
            try await write("unpackPart") { try $0.dropPackedPart(content.sha256) }
            count += 1
        }
        return count
    }

    private func keep(_ content: PackedPart, in files: any RecordFiles) async -> Bool {
        do throws(RecordFileFailure) {
            try await files.keep(content.bytes, as: content.sha256)
            return true
        } catch {
            return false
        }
    }

    /// The values of some records, with their texts.
    func filled(_ parts: [RecordPart]) async throws(TaskStoreError) -> [FilledPart] {
        var filled: [FilledPart] = []
        for part in parts {
            filled.append(FilledPart(part: part, value: .string(part.text(of: try await bytes(of: part)))))
        }
        return filled
    }

    private func bytes(of part: RecordPart) async throws(TaskStoreError) -> [UInt8] {
        let failure: RecordFileFailure
        do throws(RecordFileFailure) {
            guard let files else { throw RecordFileFailure("This daemon has no directory for files.") }
            let bytes = try await files.read(part.sha256)
            if bytes.count == part.size, RecordPart.digest(of: bytes) == part.sha256 { return bytes }
            failure = RecordFileFailure("The file \(part.sha256) of a record was changed.")
        } catch {
            failure = error
        }
        if let packed = try await read("packedPart", .page, { try $0.packedPart(part.sha256) }) { return packed.bytes }
        throw .partUnreadable(failure.message)
    }
}

/// Files that a failed commit may have left, until that is stored. After a crash the next start finds them.
final class UnnotedParts: Sendable {
    private let digests = Mutex<Set<String>>([])

    var all: [String] { digests.withLock { $0.sorted() } }

    func add(_ new: [String]) { digests.withLock { $0.formUnion(new) } }

    func remove(_ noted: [String]) { digests.withLock { $0.subtract(noted) } }
}

extension RecordText {
    /// Creates the record with its long values in files, as far as they can be written.
    init(_ record: JSONValue, in files: any RecordFiles, over limit: Int) async {
        var (rest, parts): (JSONValue, [RecordPart]) = (record, [])
        for (path, text) in record.longStrings(over: limit) {
            guard let (prefix, bytes) = RecordPart.split(text) else { continue }
            let part = RecordPart(
                pointer: JSONPointer(tokens: path).description, prefix: prefix, sha256: RecordPart.digest(of: bytes),
                size: bytes.count)
            guard let without = rest.replacing(path[...], with: ""), await part.isKept(bytes, in: files) else {
                continue
            }
            rest = without
            parts.append(part)
        }
        if parts.isEmpty {
            self.init(record)
        } else {
            self.init(rest, lacking: parts, digest: Self.digest(of: record.utf8))
        }
    }
}

extension RecordPart {
    /// Writes the bytes; false if that fails.
    fileprivate func isKept(_ bytes: [UInt8], in files: any RecordFiles) async -> Bool {
        do throws(RecordFileFailure) {
            try await files.keep(bytes, as: sha256)
            return true
        } catch {
            return false
        }
    }
}

extension ChangeSet {
    /// Has the files removed that no record has after these changes.
    mutating func dropUnused(_ parts: [RecordPart]) throws {
        guard !parts.isEmpty else { return }
        try flush()
        try transaction.noteRemovable(parts.map(\.sha256).filter { try !transaction.hasPart($0) })
    }
}
