import Foundation
import HTTPTypes
import Hummingbird

/// OpenAI's videos: a flat object with a percentage. The file has a separate URL.
struct OpenAIVideos: OtherProvider {
    let name = "openai"

    func prompt(in body: JSONValue) -> String? { body["prompt"]?.stringValue }
    func isSubmission(_ path: String) -> Bool { path == "/v1/videos" }

    func isFile(_ path: String) -> Bool { path.hasPrefix("/v1/videos/") && path.hasSuffix("/content") }

    func taskID(in path: String) -> String? {
        guard path.hasPrefix("/v1/videos/") else { return nil }
        return String(path.dropFirst(11).prefix { $0 != "/" })
    }

    func accepted(_ task: SimulatedTask, at url: String, path: String) -> JSONValue {
        video(task, status: "queued", progress: 0, error: .null, endedAt: .null)
    }

    func answer(_ task: SimulatedTask, path: String, at url: String, now: Date) -> (HTTPResponse.Status, JSONValue) {
        let end: JSONValue = .integer(Int(task.finishedAt.timeIntervalSince1970))
        switch task.outcome(at: now) {
        case .pending:
            let fraction = task.fraction(at: now)
            let word = fraction < 0.2 ? "queued" : "in_progress"
            return (.ok, video(task, status: word, progress: Int(fraction * 100), error: .null, endedAt: .null))
        case .failed:
            let error: JSONValue = ["code": "video_generation_failed", "message": .string(task.failure.message)]
            return (.ok, video(task, status: "failed", progress: 70, error: error, endedAt: end))
        case .succeeded:
            return (.ok, video(task, status: "completed", progress: 100, error: .null, endedAt: end))
        }
    }

    func list(_ tasks: [SimulatedTask], path: String, query: Parameters, at url: String, now: Date) -> JSONValue? {
        guard path == "/v1/videos" else { return nil }
        let ordered = query["order"] == "asc" ? Array(tasks.reversed()) : tasks
        let limit = min(query["limit"].flatMap { Int($0) } ?? 20, 100)
        let (shown, hasMore) = Self.page(of: ordered, after: query["after"].map(String.init), limit: limit)
        func id(_ task: SimulatedTask?) -> JSONValue { task.map { .string($0.identity.taskID) } ?? .null }
        return [
            "object": "list", "data": .array(shown.map { answer($0, path: path, at: url, now: now).1 }),
            "first_id": id(shown.first), "last_id": id(shown.last), "has_more": .bool(hasMore),
        ]
    }

    private func video(
        _ task: SimulatedTask, status: String, progress: Int, error: JSONValue, endedAt: JSONValue
    ) -> JSONValue {
        [
            "id": .string(task.identity.taskID), "object": "video", "status": .string(status),
            "progress": .integer(progress), "model": task.request["model"] ?? "sora-2",
            "seconds": task.request["seconds"] ?? "4", "size": task.request["size"] ?? "720x1280",
            "created_at": .integer(Int(task.createdAt.timeIntervalSince1970)), "completed_at": endedAt, "error": error,
        ]
    }

    func refusal(code: String, message: String) -> JSONValue {
        ["error": ["code": .string(code), "message": .string(message), "type": "invalid_request_error"]]
    }
}

/// Runway: tasks with progress as a fraction. Every request must name a version.
struct RunwayTasks: OtherProvider {
    let name = "runway"

    func token(in headers: HTTPFields) -> String? {
        guard HTTPField.Name("X-Runway-Version").flatMap({ headers[$0] }) == "2024-11-06" else { return nil }
        return Self.word(after: "Bearer", in: headers[.authorization])
    }
    func prompt(in body: JSONValue) -> String? { body["promptText"]?.stringValue }
    func isSubmission(_ path: String) -> Bool { ["/v1/image_to_video", "/v1/text_to_image"].contains(path) }

    func taskID(in path: String) -> String? {
        path.hasPrefix("/v1/tasks/") ? String(path.dropFirst(10)) : nil
    }

    func accepted(_ task: SimulatedTask, at url: String, path: String) -> JSONValue {
        ["id": .string(task.identity.taskID), "estimatedCost": ["credits": 25]]
    }

    func answer(_ task: SimulatedTask, path: String, at url: String, now: Date) -> (HTTPResponse.Status, JSONValue) {
        let head: JSONValue = ["id": .string(task.identity.taskID), "createdAt": .string(task.createdAt.iso8601)]
        switch task.outcome(at: now) {
        case .pending:
            let fraction = task.fraction(at: now)
            let running = head.appending(["estimatedCost": ["credits": 25]])
            if fraction < 0.2 { return (.ok, running.appending(["status": "THROTTLED"])) }
            return (.ok, running.appending(["status": "RUNNING", "progress": .decimal(fraction)]))
        case .failed:
            return (
                .ok,
                head.appending([
                    "status": "FAILED", "failure": .string(task.failure.message), "failureCode": "INTERNAL.BAD_OUTPUT",
                    "cost": ["credits": 0],
                ])
            )
        case .succeeded:
            return (
                .ok,
                head.appending([
                    "status": "SUCCEEDED", "cost": ["credits": 25],
                    "output": [.string("\(task.filesURL)/runway/\(task.identity.taskID).mp4")],
                ])
            )
        }
    }

    func refusal(code: String, message: String) -> JSONValue { ["error": .string(message), "code": .string(code)] }
}
