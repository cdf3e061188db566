import Foundation

/// A service whose answers are written down as documents, with places such as `{task}` that each task fills in.
struct TemplateShape: ResponseShape {
    /// What `response` holds half-way; nil where it shows nothing before the end.
    var underWay: JSONValue?
    /// What `response` holds in the end.
    var result: JSONValue
    /// What a submit that waited is told, where that is not the same.
    var inlineResult: JSONValue?
    /// What a callback tells, where that is not what a submit is told.
    var calledBack: JSONValue?
    /// What `response` holds when a part of the answer tells of the failure, and no error.
    var failedPart: JSONValue?
    var failureStyles: [FailureStyle] = [.plain, .unstamped]

    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? {
        fraction < 0.1 ? nil : underWay?.filled(for: task)
    }

    func succeeded(_ task: SimulatedTask) -> JSONValue { result.filled(for: task) }

    func inline(_ task: SimulatedTask) -> JSONValue { (inlineResult ?? result).filled(for: task) }

    func told(_ task: SimulatedTask) -> JSONValue { (calledBack ?? inlineResult ?? result).filled(for: task) }

    func failed(_ task: SimulatedTask) -> JSONValue {
        if task.failureStyle == .item, let failedPart { return failedPart.filled(for: task) }
        if task.failureStyle == .string { return task.failure.errorMember(style: .string) }
        return (["success": false, "task_id": "{task}", "trace_id": "{trace}"] as JSONValue).filled(for: task)
            .appending(task.failure.errorMember(style: task.failureStyle))
    }
}

extension JSONValue {
    /// The same document with every place in its texts filled in.
    func filled(for task: SimulatedTask) -> JSONValue {
        switch self {
        case .null, .bool, .number: self
        case .string(let text): text.contains("{") ? .string(Self.fill(text, for: task)) : self
        case .array(let elements): .array(elements.map { $0.filled(for: task) })
        case .object(let members):
            .object(members.map { Member(name: $0.name, value: $0.value.filled(for: task)) })
        }
    }

    private static func fill(_ text: String, for task: SimulatedTask) -> String {
        text.replacing(/\{([a-z]+)\}/) { match in
            switch match.1 {
            case "task": task.identity.taskID
            case "trace": task.identity.traceID
            case "media": task.identity.mediaID
            case "number": task.identity.mediaNumber
            case "job": task.identity.jobID
            case "prompt": task.request["prompt"]?.stringValue ?? ""
            case "started": task.startedAt.iso8601
            case "finished": task.finishedAt.iso8601
            default: String(match.0)
            }
        }
    }
}
