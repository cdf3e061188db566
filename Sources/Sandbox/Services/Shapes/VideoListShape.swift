import Foundation

/// Veo and Sora: a list of one video, each item with a `state` word.
struct VideoListShape: ResponseShape {
    enum Style: Sendable { case veo, sora }

    var style: Style
    var failureStyles: [FailureStyle] { [.plain, .unstamped, .item] }

    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? {
        if fraction < 0.2 { return nil }
        let item: JSONValue = [
            "id": .string(itemID(task)), "state": .string(fraction < 0.4 ? "pending" : "processing"),
        ]
        return ["success": true, "task_id": .string(task.identity.taskID), "data": [item]]
    }

    func succeeded(_ task: SimulatedTask) -> JSONValue {
        let head: JSONValue = ["id": .string(itemID(task)), "video_url": .string(address(task))]
        return wrap(task, item: head.appending(times(task)).appending(["state": "succeeded"]))
    }

    func failed(_ task: SimulatedTask) -> JSONValue {
        if task.failureStyle == .item {
            return wrap(task, item: ["id": .string(itemID(task)), "state": "failed"])
        }
        return (["success": false, "task_id": .string(task.identity.taskID)] as JSONValue)
            .appending(["trace_id": .string(task.identity.traceID)])
            .appending(task.failure.errorMember(style: task.failureStyle))
    }

    private func wrap(_ task: SimulatedTask, item: JSONValue) -> JSONValue {
        [
            "success": true,
            "task_id": .string(task.identity.taskID),
            "trace_id": .string(task.identity.traceID),
            "data": [item],
        ]
    }

    private func itemID(_ task: SimulatedTask) -> String {
        let plain = task.identity.mediaID.filter { $0 != "-" }
        return switch style {
        case .veo: plain
        case .sora: "sora-2:task_\(plain.prefix(26))"
        }
    }

    private func address(_ task: SimulatedTask) -> String {
        switch style {
        case .veo: "\(task.filesURL)/veo/\(task.identity.taskID).mp4"
        case .sora: "\(task.filesURL)/gptimage/vg-assets/assets%2Ftask_\(task.identity.mediaID)%2Fsrc.mp4"
        }
    }

    private func times(_ task: SimulatedTask) -> JSONValue {
        switch style {
        case .veo:
            [
                "created_at": .string(task.startedAt.formatted(Self.localTimeStyle)),
                "complete_at": .string(task.finishedAt.formatted(Self.localTimeStyle)),
            ]
        case .sora: [:]
        }
    }

    /// Such as `2025-07-25 17:19:20`: the vendor's local time (UTC+8) without a zone.
    private static let localTimeStyle = Date.ISO8601FormatStyle(
        dateTimeSeparator: .space, timeZone: TimeZone(secondsFromGMT: 8 * 3600) ?? .gmt
    ).year().month().day().time(includingFractionalSeconds: false)
}
