import TaskModel
import VerbatimJSON

/// A provider's body that speaks of one task, taken apart but not yet judged.
///
/// Three shapes are documented: the record `{id, request, response: {…}, finished_at…}`, the same flat
/// `{success, task_id, data…}` as inline replies and callbacks have it, and `{task: {…}}` around either.
struct TaskRecord {
    /// The body as it came.
    let whole: JSONValue
    /// The members beside `response`; for flat bodies all of them.
    let top: JSONObject
    /// What the endpoint answered: `response`, or the flat body; nil while there is none.
    let body: JSONObject?

    /// Nil for `{}`, which is how most services say that they do not know an id, and for what is no object.
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

    /// Whether the answer stands under `response`, apart from what the provider's bookkeeping says.
    let isWrapped: Bool

    /// The parts of a result: the elements of `data`, or `data` itself where it is one object.
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

    /// The objects that may carry a member about the whole task, the most telling first.
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
    /// The ids under which the provider knows the task.
    ///
    /// A `task_id` inside `data` is the provider's own supplier's and never ours.
    var ids: [RemoteTaskID] {
        let atTop = ["task_id", "id"].compactMap { Self.id(top[$0]) }
        return atTop.isEmpty ? [Self.id(body?["task_id"])].compactMap(\.self) : atTop
    }

    /// The id that a reply or a callback gives the task it speaks of.
    ///
    /// A bare `id` counts only where the rest is a task's record: inline results carry ids of their own.
    var ownID: RemoteTaskID? {
        let isRecord =
            isWrapped || whole["task"]?.object != nil || top["status"]?.string != nil || top["state"]?.string != nil
        return Self.id(top["task_id"]) ?? (isRecord ? Self.id(top["id"]) ?? Self.id(body?["task_id"]) : nil)
    }

    /// Ids are opaque texts; a number keeps its digits, for 19 of them do not fit a double.
    private static func id(_ value: JSONValue?) -> RemoteTaskID? {
        switch value {
        case .string(let text): RemoteTaskID(text)
        case .number(let number): RemoteTaskID(number.digits)
        case nil, .null, .bool, .array, .object: nil
        }
    }
}
