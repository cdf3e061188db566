/// Kling: a flat response that spells success `succeed` and has a duration as text.
struct KlingVideoShape: ResponseShape {
    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? {
        if fraction < 0.1 { return nil }
        return ["success": true, "state": "processing", "task_id": .string(task.identity.taskID)]
    }

    func succeeded(_ task: SimulatedTask) -> JSONValue {
        [
            "success": true,
            "video_id": .string(task.identity.mediaID),
            "video_url": .string("\(task.filesURL)/kling/\(task.identity.taskID).mp4"),
            "duration": "5.1",
            "state": "succeed",
            "task_id": .string(task.identity.taskID),
        ]
    }

    func failed(_ task: SimulatedTask) -> JSONValue {
        (["success": false, "state": "failed", "task_id": .string(task.identity.taskID)] as JSONValue)
            .appending(task.failure.errorMember(style: task.failureStyle))
    }

    func recordExtras(_ task: SimulatedTask) -> JSONValue {
        ["job_id": .string(String(task.identity.jobID.filter { $0 != "-" }.prefix(22)))]
    }
}

/// Luma: a flat response that spells success `completed` and repeats the prompt.
struct LumaVideoShape: ResponseShape {
    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? {
        if fraction < 0.1 { return nil }
        return [
            "success": true,
            "task_id": .string(task.identity.taskID),
            "video_id": .string(task.identity.mediaID),
            "prompt": task.request["prompt"] ?? "",
            "state": .string(fraction < 0.3 ? "pending" : "processing"),
        ]
    }

    func succeeded(_ task: SimulatedTask) -> JSONValue {
        let address = "\(task.filesURL)/luma/\(task.identity.taskID)"
        return [
            "success": true,
            "task_id": .string(task.identity.taskID),
            "video_id": .string(task.identity.mediaID),
            "prompt": task.request["prompt"] ?? "",
            "video_url": .string("\(address).mp4"),
            "video_height": 752,
            "video_width": 1360,
            "state": "completed",
            "thumbnail_url": .string("\(address).png"),
            "thumbnail_width": 1360,
            "thumbnail_height": 752,
        ]
    }

    func failed(_ task: SimulatedTask) -> JSONValue {
        (["success": false, "task_id": .string(task.identity.taskID), "state": "failed"] as JSONValue)
            .appending(task.failure.errorMember(style: task.failureStyle))
    }
}
