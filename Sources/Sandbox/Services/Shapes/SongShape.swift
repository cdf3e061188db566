import Foundation

/// Suno songs: two per request, with different finish times and playable previews while running.
struct SongShape: ResponseShape {
    var failureStyles: [FailureStyle] { [.plain, .unstamped, .uncoded, .string] }
    var canFailPartly: Bool { true }

    private enum State: String { case pending, running, succeeded, failed }

    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? {
        if fraction < 0.1 { return nil }
        let states: (State, State) =
            switch fraction {
            case ..<0.3: (.pending, .pending)
            case ..<task.firstOutputFraction: (.running, .running)
            default: (.succeeded, .running)
            }
        return [
            "success": true,
            "task_id": .string(task.identity.taskID),
            "data": [song(0, of: task, state: states.0), song(1, of: task, state: states.1)],
        ]
    }

    func succeeded(_ task: SimulatedTask) -> JSONValue {
        let second: State = task.endsPartly ? .failed : .succeeded
        let reply: JSONValue = [
            // One playable song of two is still `success: false`, with a reason.
            "success": .bool(!task.endsPartly),
            "task_id": .string(task.identity.taskID),
            "trace_id": .string(task.identity.traceID),
            "data": [song(0, of: task, state: .succeeded), song(1, of: task, state: second)],
        ]
        return task.endsPartly ? reply.appending(["error": ["message": "second variation failed"]]) : reply
    }

    func failed(_ task: SimulatedTask) -> JSONValue {
        if task.failureStyle == .string { return task.failure.errorMember(style: .string) }
        let head: JSONValue = ["success": false, "task_id": .string(task.identity.taskID), "data": []]
        return head.appending(task.failure.errorMember(style: task.failureStyle))
            .appending(["trace_id": .string(task.identity.traceID)])
    }

    private func song(_ index: Int, of task: SimulatedTask, state: State) -> JSONValue {
        var random = SeededRandom(seed: task.detailSeed, stream: "song", number: index)
        let id = random.uuid()
        let model = task.request["model"]?.stringValue ?? "chirp-v5"
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue) { members.append(.init(name: name, value: value)) }

        add("id", .string(id))
        add("title", task.request["title"] ?? "Under the Mistletoe")
        if state == .running || state == .succeeded {
            add("image_url", .string("\(task.filesURL)/image_\(id).png"))
            // The newest models add a large picture.
            if model.hasPrefix("chirp-v5") {
                add("image_large_url", .string("\(task.filesURL)/image_large_\(id).png"))
            }
        }
        add("lyric", task.request["lyric"] ?? "[Verse]\nSnowflakes falling on the ground\nTwinkling lights all around")
        add("audio_url", .string(audioAddress(id, of: task, state: state)))
        add("video_url", "")
        add("created_at", .string(task.createdAt.formatted(Self.timeStyle)))
        add("model", .string(model))
        add("state", .string(state.rawValue))
        add("prompt", task.request["prompt"] ?? "")
        add("style", task.request["style"] ?? "holiday, cheerful, male vocals")
        if state == .succeeded { add("duration", .decimal(120 + 60 * random.fraction())) }
        return .object(members)
    }

    private func audioAddress(_ id: String, of task: SimulatedTask, state: State) -> String {
        switch state {
        case .pending, .failed: ""
        // A stream of the unfinished song. This URL is not a result.
        case .running: "\(task.filesURL)/stream?item_id=\(id)"
        case .succeeded: "\(task.filesURL)/\(id).mp3"
        }
    }

    /// Such as `2025-06-17T15:59:32.468Z`.
    private static let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}
