import TaskModel
import VerbatimJSON

/// A provider's body about one task, parsed into its parts without a decision about its state.
///
/// Three formats are documented. A record is `{id, request, response: {…}, finished_at…}`. Inline replies and callbacks
/// are flat: `{success, task_id, data…}`. Either may be wrapped in `{task: {…}}`.
struct TaskRecord {
    /// The body as received.
    let whole: JSONValue
    /// The members beside `response`; for a flat body, all members.
    let top: JSONObject
    /// The answer of the endpoint: `response`, or the flat body; nil if there is none yet.
    let body: JSONObject?

    /// Nil for `{}`, the usual reply to an unknown id, and for anything but an object.
    init?(_ whole: JSONValue) {
        guard let outer = whole.object, !outer.isEmpty else { return nil }
        self.whole = whole
        switch outer["task"] {
        case .object(let task):
            guard !task.isEmpty else { return nil }
            top = task
        case .null where outer.names == ["task"]:
            return nil
        case nil, .null, .bool, .number, .string, .array:
            top = outer
        }
        isWrapped = top["response"] != nil || top["request"] != nil
        body = isWrapped ? top["response"]?.object : top
    }

    /// Whether the answer is under `response`, separate from the provider's bookkeeping.
    let isWrapped: Bool

    /// The parts of a result: the elements of `data`, or `data` itself if it is one object.
    ///
    /// OpenAI's images nest their list once more: `data.data[]`.
    var items: [JSONObject] {
        switch body?["data"] {
        case .array(let elements):
            elements.compactMap(\.object)
        case .object(let single):
            single["data"]?.array.map { $0.compactMap(\.object) } ?? [single]
        case nil, .null, .bool, .number, .string:
            []
        }
    }

    /// The objects that may have a member about the whole task, the most specific first.
    var scopes: [JSONObject] {
        guard let body else { return [top] }
        return isWrapped ? [body, top] : [top]
    }

    /// The first value of that name that is not null.
    func first(_ name: String) -> JSONValue? {
        scopes.lazy.compactMap { $0[name] }.first { !$0.isNull }
    }
}

extension TaskRecord {
    /// The provider's ids of the task.
    ///
    /// A `task_id` inside `data` belongs to the provider's own supplier.
    var ids: [RemoteTaskID] {
        let atTop = ["task_id", "id"].compactMap { Self.id(top[$0]) }
        return atTop.isEmpty ? [Self.id(body?["task_id"])].compactMap(\.self) : atTop
    }

    /// The id that a reply or a callback gives for its task.
    ///
    /// A bare `id` counts only if the rest is a task's record, because inline results have their own ids.
    var ownID: RemoteTaskID? {
        let isRecord =
            isWrapped || whole["task"]?.object != nil || top["status"]?.string != nil || top["state"]?.string != nil
        return Self.id(top["task_id"]) ?? (isRecord ? Self.id(top["id"]) ?? Self.id(body?["task_id"]) : nil)
    }

    /// Ids are opaque texts. A number keeps its digits, because 19 digits do not fit a double.
    private static func id(_ value: JSONValue?) -> RemoteTaskID? {
        switch value {
        case .string(let text): RemoteTaskID(text)
        case .number(let number): RemoteTaskID(number.digits)
        case nil, .null, .bool, .array, .object: nil
        }
    }
}
