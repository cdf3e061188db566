import Foundation
import HTTPTypes
import Hummingbird

/// fal.ai's queue: replies contain all further URLs, COMPLETED includes failures, results have a separate URL.
struct FalQueue: OtherProvider {
    let name = "fal"

    func token(in headers: HTTPFields) -> String? { Self.word(after: "Key", in: headers[.authorization]) }
    func prompt(in body: JSONValue) -> String? { body["prompt"]?.stringValue }
    func isSubmission(_ path: String) -> Bool { path.hasPrefix("/fal-ai/") && !path.contains("/requests/") }

    func taskID(in path: String) -> String? {
        guard let range = path.firstRange(of: "/requests/") else { return nil }
        return String(path[range.upperBound...].prefix { $0 != "/" })
    }

    func accepted(_ task: SimulatedTask, at url: String, path: String) -> JSONValue {
        // The URLs contain the model without its variant.
        let model = path.split(separator: "/").prefix(2).joined(separator: "/")
        let base = "\(url)/\(model)/requests/\(task.identity.taskID)"
        return [
            "status": "IN_QUEUE", "request_id": .string(task.identity.taskID), "response_url": .string(base),
            "status_url": .string("\(base)/status"), "cancel_url": .string("\(base)/cancel"), "queue_position": 0,
        ]
    }

    func answer(_ task: SimulatedTask, path: String, at url: String, now: Date) -> (HTTPResponse.Status, JSONValue) {
        let model = path.split(separator: "/").prefix(2).joined(separator: "/")
        let base = "\(url)/\(model)/requests/\(task.identity.taskID)"
        let outcome = task.outcome(at: now)
        if path.hasSuffix("/status") {
            let isQueued = outcome == .pending && task.fraction(at: now) < 0.3
            let word = isQueued ? "IN_QUEUE" : outcome == .pending ? "IN_PROGRESS" : "COMPLETED"
            // The client reads the position of a queued request, and the logs of any other.
            let document: JSONValue = [
                "status": .string(word), "request_id": .string(task.identity.taskID), "response_url": .string(base),
            ]
            return (
                outcome == .pending ? .accepted : .ok,
                document.appending(isQueued ? ["queue_position": 0] : ["logs": .null])
            )
        }
        switch outcome {
        case .pending: return (.badRequest, ["detail": "Request is still in progress"])
        case .failed:
            return (
                .unprocessableContent,
                ["detail": [["msg": .string(task.failure.message), "type": "generation_failed"]]]
            )
        case .succeeded:
            return (
                .ok,
                [
                    "images": [
                        [
                            "url": .string("\(task.filesURL)/fal/\(task.identity.taskID).png"),
                            "content_type": "image/png",
                        ]
                    ], "seed": 42,
                ]
            )
        }
    }

    func callbackURL(in body: JSONValue, query: Parameters) -> String? { query["fal_webhook"].map(String.init) }

    func callbackBody(_ task: SimulatedTask, _ call: CallbackCall, at url: String) -> [UInt8]? {
        guard call.kind == .end else { return nil }
        let id = JSONValue.string(task.identity.taskID)
        let (_, payload) = answer(
            task, path: "/fal-ai/any/requests/\(task.identity.taskID)", at: url, now: task.finishedAt)
        let isSuccess = task.outcome(at: task.finishedAt) == .succeeded
        let document: JSONValue = [
            "request_id": id, "gateway_request_id": id, "status": isSuccess ? "OK" : "ERROR", "payload": payload,
            "error": isSuccess ? .null : .string(task.failure.message),
        ]
        return Array(document.utf8Text)
    }

    func refusal(code: String, message: String) -> JSONValue { ["detail": .string(message)] }
}

/// Replicate: every reply is the same prediction object, which contains its URL.
struct ReplicatePredictions: OtherProvider {
    let name = "replicate"

    func prompt(in body: JSONValue) -> String? { body["input"]?["prompt"]?.stringValue }
    func isSubmission(_ path: String) -> Bool { path.hasPrefix("/v1/") && path.hasSuffix("/predictions") }

    func taskID(in path: String) -> String? {
        guard path.hasPrefix("/v1/predictions/") else { return nil }
        return String(path.dropFirst(16).prefix { $0 != "/" })
    }

    func accepted(_ task: SimulatedTask, at url: String, path: String) -> JSONValue {
        prediction(task, at: url, status: "starting", output: .null, error: .null)
    }

    func answer(_ task: SimulatedTask, path: String, at url: String, now: Date) -> (HTTPResponse.Status, JSONValue) {
        switch task.outcome(at: now) {
        case .pending:
            let word = task.fraction(at: now) < 0.3 ? "starting" : "processing"
            return (.ok, prediction(task, at: url, status: word, output: .null, error: .null))
        case .failed:
            return (
                .ok, prediction(task, at: url, status: "failed", output: .null, error: .string(task.failure.message))
            )
        case .succeeded:
            let output: JSONValue = [.string("\(task.filesURL)/pbxt/\(task.identity.taskID)/out-0.png")]
            return (.ok, prediction(task, at: url, status: "succeeded", output: output, error: .null))
        }
    }

    /// A hundred predictions per page, the most recent first. `next` is the address of the next page.
    func list(_ tasks: [SimulatedTask], path: String, query: Parameters, at url: String, now: Date) -> JSONValue? {
        guard path == "/v1/predictions" else { return nil }
        let (shown, hasMore) = Self.page(of: tasks, after: query["cursor"].map(String.init), limit: 100)
        let last = shown.last.map { "\(url)/v1/predictions?cursor=\($0.identity.taskID)" }
        return [
            "next": hasMore ? last.map { .string($0) } ?? .null : .null, "previous": .null,
            "results": .array(shown.map { answer($0, path: path, at: url, now: now).1 }),
        ]
    }

    private func prediction(
        _ task: SimulatedTask, at url: String, status: String, output: JSONValue, error: JSONValue
    ) -> JSONValue {
        let own = "\(url)/v1/predictions/\(task.identity.taskID)"
        return [
            "id": .string(task.identity.taskID), "model": task.request["model"] ?? "sandbox/model",
            "version": task.request["version"] ?? "5c7d5dc6", "status": .string(status),
            "input": task.request["input"] ?? .null, "output": output, "error": error, "logs": "",
            "created_at": .string(task.createdAt.iso8601),
            "completed_at": status == "succeeded" || status == "failed" ? .string(task.finishedAt.iso8601) : .null,
            "urls": ["get": .string(own), "cancel": .string("\(own)/cancel")],
        ]
    }

    func callbackURL(in body: JSONValue, query: Parameters) -> String? { body["webhook"]?.stringValue }

    func callbackBody(_ task: SimulatedTask, _ call: CallbackCall, at url: String) -> [UInt8]? {
        guard call.kind == .end else { return nil }
        return Array(answer(task, path: "", at: url, now: task.finishedAt).1.utf8Text)
    }

    func refusal(code: String, message: String) -> JSONValue { ["title": .string(code), "detail": .string(message)] }
}
