import Foundation

/// A service whose replies are document templates with placeholders such as `{task}`.
struct TemplateShape: ResponseShape {
    /// The partial `response`; nil if there is none before the end.
    var partial: JSONValue?
    /// The final `response`.
    var result: JSONValue
    /// The reply to a synchronous submit, if it differs.
    var inlineResult: JSONValue?
    /// The callback body, if it differs from the submit's reply.
    var callbackResult: JSONValue?
    /// The `response` of a failure that is reported in a part of the result, without `error`.
    var failedPart: JSONValue?
    var failureStyles: [FailureStyle] = [.plain, .unstamped]

    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? {
        fraction < 0.1 ? nil : partial?.filled(for: task)
    }

    func succeeded(_ task: SimulatedTask) -> JSONValue { result.filled(for: task) }

    func inline(_ task: SimulatedTask) -> JSONValue { (inlineResult ?? result).filled(for: task) }

    func callbackBody(_ task: SimulatedTask) -> JSONValue {
        (callbackResult ?? inlineResult ?? result).filled(for: task)
    }

    func failed(_ task: SimulatedTask) -> JSONValue {
        if task.failureStyle == .item, let failedPart { return failedPart.filled(for: task) }
        if task.failureStyle == .string { return task.failure.errorMember(style: .string) }
        return (["success": false, "task_id": "{task}", "trace_id": "{trace}"] as JSONValue).filled(for: task)
            .appending(task.failure.errorMember(style: task.failureStyle))
    }
}

extension JSONValue {
    /// Replaces all placeholders in the document's texts.
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
            case "files": task.filesURL
            case "image": task.request["image_url"]?.stringValue ?? ""
            case "audio": task.request["audio_url"]?.stringValue ?? ""
            case "url": task.request["url"]?.stringValue ?? ""
            case "prompt": task.request["prompt"]?.stringValue ?? ""
            case "started": task.startedAt.iso8601
            case "finished": task.finishedAt.iso8601
            default: String(match.0)
            }
        }
    }
}
