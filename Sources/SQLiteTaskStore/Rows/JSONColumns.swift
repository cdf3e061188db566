import TaskModel
import TaskStore
import VerbatimJSON

/// The labels of a task, gathered by SQLite into one JSON object.
enum LabelsColumn {
    static func read(_ text: String) throws -> [String: String] {
        guard text != "{}" else { return [:] }
        guard let object = try JSONColumn.read(text).object else {
            throw TaskStoreError.damaged("labels are no object")
        }
        return Dictionary(object.members.map { ($0.name, $0.value.string ?? "") }) { first, _ in first }
    }
}

/// The remote ids of records that may be a task's, as a JSON array; NULL for none.
enum PossibleIDsColumn {
    static func text(of ids: [RemoteTaskID]) -> String? {
        ids.isEmpty ? nil : JSONValue.array(ids.map { .string($0.text) }).text
    }

    static func read(_ text: String) throws -> [RemoteTaskID] {
        try JSONColumn.read(text).array?.compactMap { $0.string.flatMap { RemoteTaskID($0) } } ?? []
    }
}

/// A document that we wrote ourselves, and so can read unless the file is damaged.
enum JSONColumn {
    static func read(_ text: String) throws -> JSONValue {
        do throws(JSONSyntaxError) {
            return try JSONValue(parsing: text, limits: JSONLimits(maxDepth: 1_024, isStrict: false))
        } catch {
            throw TaskStoreError.damaged("a stored document cannot be read (\(error.message))")
        }
    }
}
