import TaskModel
import TaskStore
import VerbatimJSON

/// The labels of a task, which the database combines into one JSON object.
enum LabelsColumn {
    static func read(_ text: String) throws -> [String: String] {
        guard text != "{}" else { return [:] }
        guard let object = try StoredDocument.read(text).object else {
            throw TaskStoreError.damaged("labels are not an object")
        }
        return Dictionary(object.members.map { ($0.name, $0.value.string ?? "") }) { first, _ in first }
    }
}

/// The remote ids of records that may belong to an attempt, as a JSON array; NULL for none.
enum PossibleIDsColumn {
    static func text(of ids: [RemoteTaskID]) -> String? {
        ids.isEmpty ? nil : JSONValue.array(ids.map { .string($0.text) }).text
    }

    static func read(_ text: String) throws -> [RemoteTaskID] {
        try StoredDocument.read(text).array?.compactMap { $0.string.flatMap { RemoteTaskID($0) } } ?? []
    }
}
