import Foundation

/// Midjourney pictures: only `progress`, no status word. `success` is true from the first preview.
struct MidjourneyImageShape: ResponseShape {
    enum Style: Sendable {
        /// Four pictures in one grid, with follow-up actions.
        case grid
        /// Four pictures, each with a URL.
        case edit
    }

    var style: Style

    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? {
        guard let progress = Self.progress(at: fraction) else { return nil }
        // Previews are small and deleted later. A client must not report their URL as the result.
        let preview = "\(task.filesURL)/attachments/\(task.identity.mediaID)_grid_0.png"
        return [
            "image_url": .string("\(preview)?width=256&height=256"),
            "image_width": 256,
            "image_height": 256,
            "image_id": .string(String(task.identity.mediaNumber.dropLast(2)) + "\(progress)"),
            "raw_image_url": .string(preview),
            "raw_image_width": 512,
            "raw_image_height": 512,
            "progress": .integer(progress),
            "actions": [],
            "task_id": .string(task.identity.taskID),
            "success": true,
        ]
    }

    func succeeded(_ task: SimulatedTask) -> JSONValue {
        switch style {
        case .grid: grid(task)
        case .edit: edit(task)
        }
    }

    func recordExtras(_ task: SimulatedTask) -> JSONValue {
        [
            "hold": false,
            "image_id": .string(task.identity.mediaNumber),
            "job_id": .string(task.identity.jobID),
            "duration": .decimal(task.finishedAt.timeIntervalSince(task.createdAt)),
        ]
    }

    /// This service's failures have no trace id.
    func failed(_ task: SimulatedTask) -> JSONValue {
        let head: JSONValue = ["success": false, "task_id": .string(task.identity.taskID)]
        return head.appending(task.failure.errorMember(style: task.failureStyle))
    }

    /// The reported progress. It jumps, and is absent at first.
    static func progress(at fraction: Double) -> Int? {
        switch fraction {
        case ..<0.2: nil
        case ..<0.4: 16
        case ..<0.6: 35
        case ..<0.8: 75
        default: 93
        }
    }

    private func grid(_ task: SimulatedTask) -> JSONValue {
        let address = "\(task.filesURL)/midjourney/\(task.identity.taskID).png"
        return [
            "image_url": .string("\(address)?imageMogr2/thumbnail/!50p"),
            "image_width": 1024,
            "image_height": 1024,
            "actions": .strings(
                ["upscale1", "upscale2", "upscale3", "upscale4", "reroll"]
                    + ["variation1", "variation2", "variation3", "variation4"]),
            "raw_image_url": .string(address),
            "raw_image_width": 2048,
            "raw_image_height": 2048,
            "progress": 100,
            "image_id": .string(task.identity.mediaNumber),
            "task_id": .string(task.identity.taskID),
            "success": true,
            "job_id": .string(task.identity.jobID),
            "hold": false,
        ]
    }

    private func edit(_ task: SimulatedTask) -> JSONValue {
        let address = "\(task.filesURL)/attachments/\(task.identity.mediaID).png"
        return [
            "sub_image_urls": .strings(
                (0..<4).map { "\(task.filesURL)/\(task.identity.jobID)/0_\($0).png" }),
            "image_url": .string(address),
            "image_width": 960,
            "image_height": 1200,
            "raw_image_url": .string(address),
            "raw_image_width": 960,
            "raw_image_height": 1200,
            "progress": 100,
            "image_id": .string(task.identity.mediaNumber),
            "task_id": .string(task.identity.taskID),
            "success": true,
        ]
    }
}

/// Midjourney videos: four URLs in one list, without a status word.
struct MidjourneyVideoShape: ResponseShape {
    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? {
        guard let progress = MidjourneyImageShape.progress(at: fraction) else { return nil }
        return ["progress": .integer(progress), "task_id": .string(task.identity.taskID), "success": true]
    }

    func succeeded(_ task: SimulatedTask) -> JSONValue {
        [
            "image_url": .string("\(task.filesURL)/upload_\(task.identity.mediaNumber).png"),
            "image_width": 560,
            "image_height": 688,
            "progress": 100,
            "video_id": .string(String(task.identity.mediaNumber.prefix(16))),
            "video_urls": .strings(
                (0..<4).map { "\(task.filesURL)/video/\(task.identity.jobID)/0_\($0).mp4" }),
            "task_id": .string(task.identity.taskID),
            "success": true,
        ]
    }

    func failed(_ task: SimulatedTask) -> JSONValue { MidjourneyImageShape(style: .grid).failed(task) }
}
