import Foundation
import HTTPTypes

/// The Gemini API: Veo's long-running operations, and interactions.
struct GoogleGemini: OtherProvider {
    let name = "google"

    func token(in headers: HTTPFields) -> String? { HTTPField.Name("x-goog-api-key").flatMap { headers[$0] } }

    func prompt(in body: JSONValue) -> String? {
        body["instances"]?.arrayValue?.first?["prompt"]?.stringValue ?? body["input"]?.stringValue
    }

    func isSubmission(_ path: String) -> Bool {
        GoogleInteraction.paths.contains(path)
            || path.hasPrefix("/v1beta/models/") && path.hasSuffix(":predictLongRunning")
    }

    /// An interaction that is not in the background is answered at its end.
    func isHeld(_ body: JSONValue, path: String) -> Bool {
        GoogleInteraction.paths.contains(path) && body["background"] != true
    }

    func isFile(_ path: String) -> Bool { path.hasPrefix("/v1beta/files/") && path.hasSuffix(":download") }

    func taskID(in path: String) -> String? {
        if let range = path.firstRange(of: "/interactions/") {
            return String(path[range.upperBound...].prefix { $0 != "/" })
        }
        return path.firstRange(of: "/operations/").map { String(path[$0.upperBound...]) }
    }

    func accepted(_ task: SimulatedTask, at url: String, path: String) -> JSONValue {
        if GoogleInteraction.paths.contains(path) { return GoogleInteraction.document(of: task, at: task.createdAt) }
        let model = path.dropFirst("/v1beta/".count).prefix { $0 != ":" }
        return ["name": .string("\(model)/operations/\(task.identity.taskID)")]
    }

    func answer(_ task: SimulatedTask, path: String, at url: String, now: Date) -> (HTTPResponse.Status, JSONValue) {
        if path.contains("/interactions") {
            // A submit shows what was made; a query shows the input too.
            let isQuery = !GoogleInteraction.paths.contains(path)
            return (.ok, GoogleInteraction.document(of: task, at: now, showsInput: isQuery))
        }
        let name: JSONValue = ["name": .string(String(path.dropFirst("/v1beta/".count)))]
        switch task.outcome(at: now) {
        case .pending: return (.ok, name)
        case .failed:
            return (
                .ok, name.appending(["done": true, "error": ["code": 13, "message": .string(task.failure.message)]])
            )
        case .succeeded:
            let sample: JSONValue = [
                "video": ["uri": .string("\(url)/v1beta/files/\(task.identity.taskID):download?alt=media")]
            ]
            return (
                .ok,
                name.appending(["done": true, "response": ["generateVideoResponse": ["generatedSamples": [sample]]]])
            )
        }
    }

    func cancelled(_ id: String) -> JSONValue { ["id": .string(id), "status": "cancelled"] }

    func refusal(code: String, message: String) -> JSONValue {
        ["error": ["code": 400, "message": .string(message), "status": .string(code.uppercased())]]
    }
}

/// An interaction of a model or an agent.
enum GoogleInteraction {
    /// Where it is asked for, by older and newer clients.
    static let paths = ["/v1beta/interactions", "/v1/interactions"]

    static func document(of task: SimulatedTask, at now: Date, showsInput: Bool = false) -> JSONValue {
        let isPending = task.outcome(at: now) == .pending
        let head: JSONValue = [
            "id": .string(task.identity.taskID), "object": "interaction", "status": .string(status(of: task, at: now)),
            "created": .string(task.createdAt.iso8601),
            "updated": .string((isPending ? now : task.finishedAt).iso8601),
            "model": task.request["model"] ?? .null, "agent": task.request["agent"] ?? .null,
        ]
        var input: [JSONValue] = []
        if showsInput, let given = task.request["input"] {
            input = [["type": "user_input", "content": contents(given)]]
        }
        guard !isPending else { return head.appending(["steps": .array(input)]) }
        let end: JSONValue = [
            "steps": .array(input + outputs(of: task)),
            "usage": ["total_input_tokens": 12, "total_output_tokens": 340, "total_tokens": 352],
        ]
        guard task.controls.fails else { return head.appending(end) }
        let error: JSONValue = ["code": .string(task.failure.code), "message": .string(task.failure.message)]
        return head.appending(end).appending(["errors": [error]])
    }

    private static func status(of task: SimulatedTask, at now: Date) -> String {
        switch task.outcome(at: now) {
        case .pending: task.fraction(at: now) < 0.2 ? "queued" : "in_progress"
        case .failed: "failed"
        case .succeeded: task.controls.status ?? "completed"
        }
    }

    private static func outputs(of task: SimulatedTask) -> [JSONValue] {
        guard !task.controls.fails else { return [] }
        if let status = task.controls.status, ["requires_action", "idle"].contains(status) {
            return [["type": "function_call", "id": "call_1", "name": "look_up", "arguments": ["query": "a cat"]]]
        }
        let model = task.request["model"]?.stringValue ?? ""
        let content: JSONValue =
            if model.contains("image") {
                ["type": "image", "mime_type": "image/png", "data": .string(picture(of: task))]
            } else if model.contains("veo") {
                [
                    "type": "video", "mime_type": "video/mp4",
                    "uri": .string("\(task.filesURL)/google/\(task.identity.taskID).mp4"),
                ]
            } else {
                ["type": "text", "text": "An answer of the simulated model."]
            }
        return [["type": "model_output", "content": [content]]]
    }

    /// The input as content: a text is one, a list already is.
    private static func contents(_ input: JSONValue) -> JSONValue {
        guard case .string = input else { return input }
        return [["type": "text", "text": input]]
    }

    /// A PNG in base64: of one pixel, or as large as the prompt says.
    private static func picture(of task: SimulatedTask) -> String {
        guard let kibibytes = task.controls.kibibytes else { return onePixel }
        let bare = SeededRandom(seed: 0, stream: task.identity.taskID)
        var random = bare
        let padding = kibibytes * 1_024 - PictureFile(using: &random).png.count - 12
        random = bare
        return Data(PictureFile(padding: max(padding, 0), using: &random).png).base64EncodedString()
    }

    /// A PNG of one pixel, in base64.
    private static let onePixel =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
}
