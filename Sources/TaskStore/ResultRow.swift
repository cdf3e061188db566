package import TaskModel
import VerbatimJSON

/// A result as it is stored.
package struct ResultRow: Sendable, Hashable {
    /// A word of ``TaskResult/Kind``.
    package let kind: String
    /// Its position in the task's record.
    package let pointer: String
    /// The value as JSON; nil if it is long. Then only the record has it, at ``pointer``.
    package let value: String?
    package let mediaType: String?
    package let sizeInBytes: Int?
    /// The file behind its URL. It has a table of its own, so writing the result does not write it.
    package var artefact: Artefact?

    package init(kind: String, pointer: String, value: String?, mediaType: String?, sizeInBytes: Int?) {
        self.kind = kind
        self.pointer = pointer
        self.value = value
        self.mediaType = mediaType
        self.sizeInBytes = sizeInBytes
    }
}

/// The stored results of one task, in order.
package struct TaskResults: Sendable {
    /// The row of the task.
    package let key: Int64
    package let rows: [ResultRow]

    package init(key: Int64, rows: [ResultRow]) {
        self.key = key
        self.rows = rows
    }
}

extension ResultRow {
    /// The maximum length of a value that is stored beside its record, in bytes of JSON.
    private static let longestCopy = 1_024

    /// The rows of an observation's results.
    static func rows(of observation: Observation) -> [ResultRow] {
        observation.results.map { ResultRow($0, in: observation.record) }
    }

    private init(_ result: TaskResult, in record: JSONValue) {
        let text = result.value.text
        let isInRecord = text.utf8.count > Self.longestCopy && record.value(at: result.pointer) == result.value
        self.init(
            kind: result.kind.rawValue, pointer: result.pointer.description, value: isInRecord ? nil : text,
            mediaType: result.mediaType, sizeInBytes: result.sizeInBytes)
    }

    /// The result. A long value is read from the record; it is null if the record was not read.
    fileprivate func result(in record: JSONValue?, hasRecord: Bool) throws(TaskStoreError) -> TaskResult {
        guard let kind = TaskResult.Kind(rawValue: kind), let pointer = JSONPointer(pointer),
            let value = try value.map(StoredDocument.read) ?? (hasRecord ? record?.value(at: pointer) : .null)
        else { throw .damaged("a stored result cannot be read") }
        var result = TaskResult(
            kind: kind, pointer: pointer, value: value, mediaType: mediaType, sizeInBytes: sizeInBytes)
        result.artefact = artefact
        return result
    }
}

/// A value of a record that is in a file, and what stands in its place.
struct FilledPart: Sendable {
    let part: RecordPart
    let value: JSONValue
}

extension TaskTexts {
    /// The number of its stored results.
    var resultsThatAreKept: Int { task.lacks(.response) ? 0 : task.resultCount ?? 0 }

    /// The task with its documents and results.
    func stored(
        with rows: [ResultRow], parts: [FilledPart] = [], hasRecord: Bool = true
    ) throws(TaskStoreError) -> TaskWithPayload {
        let stored = try self.stored
        var payload = stored.payload
        for filled in parts {
            guard let pointer = JSONPointer(filled.part.pointer),
                let whole = payload.response?.replacing(pointer.tokens[...], with: filled.value)
            else { throw .damaged("a stored record cannot be put together") }
            payload.response = whole
        }
        if task.resultCount != nil {
            payload.results = try rows.map { row throws(TaskStoreError) in
                var result = try row.result(in: payload.response, hasRecord: hasRecord)
                result.content = parts.first { $0.part.pointer == row.pointer }?.part.sha256
                return result
            }
        }
        return TaskWithPayload(task: task, payload: payload)
    }
}

extension StoreSnapshot {
    /// The stored results of these tasks, by the keys of their rows.
    func results(of texts: some Collection<TaskTexts>) throws -> [Int64: [ResultRow]] {
        let keys = texts.filter { $0.resultsThatAreKept > 0 }.map(\.key)
        guard !keys.isEmpty else { return [:] }
        return Dictionary(try results(of: keys).map { ($0.key, $0.rows) }) { first, _ in first }
    }

    /// The parts of the records of these tasks, by the keys of their rows.
    func parts(of texts: some Collection<TaskTexts>) throws -> [Int64: [RecordPart]] {
        let keys = texts.filter { $0.partBytes > 0 }.map(\.key)
        guard !keys.isEmpty else { return [:] }
        return Dictionary(try parts(of: keys).map { ($0.key, $0.parts) }) { first, _ in first }
    }
}
