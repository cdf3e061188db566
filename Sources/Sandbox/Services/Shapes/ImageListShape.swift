/// Flux: a list of pictures without a status word. A picture means success.
struct ImageListShape: ResponseShape {
    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? { nil }

    func succeeded(_ task: SimulatedTask) -> JSONValue {
        var random = SeededRandom(seed: task.detailSeed, stream: "picture")
        return [
            "success": true,
            "task_id": .string(task.identity.taskID),
            "trace_id": .string(task.identity.traceID),
            "data": [
                [
                    "prompt": task.request["prompt"] ?? "",
                    "image_url": .string("\(task.filesURL)/flux/\(task.identity.taskID)_0.png"),
                    "seed": .number(random.digits(count: 10)),
                    "timings": ["inference": .decimal(2 + 3 * random.fraction())],
                ]
            ],
        ]
    }
}
