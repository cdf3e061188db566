import HTTPTypes

/// Videos in one document. Medians follow the examples' `elapsed`, else the pages' "1 to 2 minutes".
extension ServiceTable {
    static let videos: [SimulatedOperation] = [
        listed(
            "hailuo", form: ServiceForm(times: .createdOnly),
            item: [
                "id": "{media}", "model": "minimax-t2v", "prompt": "{prompt}", "first_image_url": nil,
                "video_url": "{files}/czjl/{media}.mp4",
            ]),
        listed(
            "pika", form: ServiceForm(times: .createdOnly),
            item: [
                "id": "{media}", "prompt": nil, "video_url": "{files}/v1/{media}/video.mp4",
                "image_url": "{files}/v1/{media}/poster.png", "duration": 5,
            ]),
        listed(
            "gemini",
            item: ["id": "omni-flash:job_{media}", "video_url": "{files}/gemini/{task}.mp4"]),
        listed(
            "grok",
            item: ["id": "grok-imagine-video:{media}", "video_url": "{files}/grok/{task}.mp4"]),
        // This service calls a failure `error`.
        listed(
            "happyhorse", form: ServiceForm(times: .iso8601),
            item: [
                "id": "{media}", "video_url": "{files}/happyhorse/{task}.mp4", "duration": 5,
                "resolution": "720P", "ratio": "16:9",
            ],
            failed: "error"),
        SimulatedOperation(
            service: "pixverse", name: "videos", recordType: "videos", requiredFields: [["prompt", "image_url"]],
            duration: TypicalDuration(medianSeconds: 90), form: ServiceForm(times: .createdOnly),
            shape: TemplateShape(
                partial: ["success": true, "task_id": "{task}", "data": [["state": "processing"]]],
                result: [
                    "success": true, "task_id": "{task}", "trace_id": "{trace}",
                    // A numeric id and no status word.
                    "data": [
                        [
                            "id": 317_384_746_578_432, "prompt": "{prompt}", "model": "v3.5", "first_frame": "",
                            "video_url": "{files}/{media}.mp4", "last_frame": "",
                        ]
                    ],
                ])),
        SimulatedOperation(
            service: "pixverse", name: "character", recordType: "character", requiredFields: [["images"]],
            duration: TypicalDuration(medianSeconds: 10), form: ServiceForm(times: .createdOnly),
            shape: TemplateShape(
                result: ["success": true, "task_id": "{task}", "data": ["asset_id": 317_383_895_242_880]])),
        SimulatedOperation(
            service: "wan", name: "videos", recordType: "videos", requiredFields: [["prompt"]],
            duration: TypicalDuration(medianSeconds: 787),
            shape: TemplateShape(
                result: [
                    "success": true, "video_url": "{files}/wan/{task}.mp4",
                    "state": "completed", "task_id": "{task}",
                ])),
        SimulatedOperation(
            service: "seedance", name: "videos", recordType: "videos", requiredFields: [["content"], ["model"]],
            duration: TypicalDuration(medianSeconds: 82),
            shape: TemplateShape(
                result: [
                    "success": true, "task_id": "{task}", "trace_id": "{trace}",
                    // The inner id belongs to the service's supplier.
                    "data": [
                        "task_id": "cgt-{number}", "status": "succeeded",
                        "video_url": "{files}/seedance/{task}.mp4", "last_frame_url": nil,
                        "model": "doubao-seedance-1-0-pro-250528",
                    ],
                ])),
        SimulatedOperation(
            service: "dreamina", name: "videos", recordType: "videos",
            requiredFields: [["image_url"], ["audio_url"]], duration: TypicalDuration(medianSeconds: 47),
            shape: TemplateShape(
                result: [
                    "success": true, "task_id": "{task}", "trace_id": "{trace}",
                    // The picture and the voice repeat the request.
                    "data": [
                        "task_id": "{number}", "status": "done", "video_url": "{files}/{task}.mp4",
                        "image_url": "{image}", "audio_url": "{audio}",
                    ],
                ])),
        SimulatedOperation(
            service: "minimax", name: "videos", recordType: "videos", requiredFields: [["content"], ["model"]],
            duration: TypicalDuration(medianSeconds: 100),
            form: ServiceForm(record: .task, batch: .byIDWithTotal),
            shape: TemplateShape(
                result: [
                    "content": ["url": "{files}/minimax/{task}.mp4"], "resolution": "768P",
                    "duration": 4, "task_type": "generation", "modality": "video",
                ])),
        digitalHuman(
            "videos", needs: [["video_url"], ["audio_url", "text"]],
            result: [
                "video_url": "{files}/{task}.mp4", "duration": .number("17.2"), "width": 1280,
                "height": 720, "engine": "latentsync",
            ]),
        digitalHuman("voices", needs: [["audio_url"]], result: ["voice_id": "voice_{number}"]),
        SimulatedOperation(
            service: "maestro", name: "videos", recordType: "videos", requiredFields: [["prompt"]],
            duration: TypicalDuration(medianSeconds: 1976),
            acceptReply: AcceptReply(
                status: .created, document: ["success": true, "task_id": "{task}", "trace_id": "{trace}"]),
            delivery: .atOnce, ownIDMember: "task_id",
            form: ServiceForm(
                record: .worded(
                    ServiceForm.Words(
                        running: ["queued", "planning", "producing"], succeeded: "succeeded", failed: "failed",
                        showsProgress: true)),
                batch: .history, unknown: .unknownTask("not_found")),
            shape: MaestroShape()),
        kickart("videos", needs: [["duration"]]),
        kickart("viral-videos", needs: [["ref_video"], ["language"]]),
    ]

    /// Videos in a list of items, each with a status word.
    private static func listed(
        _ service: String, form: ServiceForm = .standard, item: JSONValue, failed: String = "failed"
    ) -> SimulatedOperation {
        let head: JSONValue = ["success": true, "task_id": "{task}", "trace_id": "{trace}"]
        let id: JSONValue = ["id": "{media}"]
        return SimulatedOperation(
            service: service, name: "videos", recordType: "videos", requiredFields: [["prompt", "image_url"]],
            duration: TypicalDuration(medianSeconds: 90), form: form,
            shape: TemplateShape(
                partial: head.appending(["data": [id.appending(["state": "processing"])]]),
                result: head.appending(["data": [item.appending(["state": "succeeded"])]]),
                failedPart: head.appending(["data": [id.appending(["state": .string(failed)])]]),
                failureStyles: [.plain, .unstamped, .item]))
    }

    /// Talking heads: a top-level status word and one id with a different name.
    private static func digitalHuman(
        _ name: String, needs fields: [[String]], result: JSONValue
    ) -> SimulatedOperation {
        let head: JSONValue = ["success": true, "task_id": "{task}"]
        return SimulatedOperation(
            service: "digital-human", name: name, recordType: name, requiredFields: fields,
            duration: TypicalDuration(medianSeconds: 60),
            form: ServiceForm(
                record: .worded(
                    ServiceForm.Words(running: ["pending", "processing"], succeeded: "succeed", failed: "failed")),
                lookupKeys: ["task_id"], batch: .none, unknown: .unknownTask("no_task")),
            shape: TemplateShape(
                partial: head.appending(["state": "processing", "progress": 40]),
                result: head.appending(result).appending(["state": "succeed", "progress": 100]),
                failureStyles: [.plain, .uncoded]))
    }

    /// Advertisements: tasks cannot be looked up, so the reply is the result.
    private static func kickart(_ name: String, needs fields: [[String]]) -> SimulatedOperation {
        SimulatedOperation(
            service: "kickart", name: name, recordType: name, requiredFields: fields,
            duration: TypicalDuration(medianSeconds: 60), delivery: .inline,
            shape: TemplateShape(
                result: [
                    // Ids of 19 digits, as text.
                    "success": true, "task_id": "{number}", "trace_id": "{trace}",
                    "data": [
                        "task_id": "{number}", "video_url": "{files}/kickart/{media}.mp4",
                        "usage": .number("0.21"), "template_id": "226527799033910", "mode": "fast",
                    ],
                ]))
    }
}

/// Maestro's productions: no partial result, one video per language, and failures as plain text.
private struct MaestroShape: ResponseShape {
    var failureStyles: [FailureStyle] { [.plain, .string] }

    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? { .null }

    func succeeded(_ task: SimulatedTask) -> JSONValue {
        let languages = task.request["langs"]?.arrayValue ?? ["zh-cn"]
        let variants = languages.map { language in
            (["lang": language] as JSONValue).appending([
                "kind": "video", "aspect": "9:16",
                "output_url": .string("{files}/maestro/{task}/\(language.stringValue ?? "").mp4"),
                "captions_url": "{files}/maestro/{task}/captions.vtt",
                "cover_url": "{files}/maestro/{task}/cover.png",
            ])
        }
        let document: JSONValue = [
            "success": true,
            "data": [
                "variants": .array(variants),
                "project": ["tarball_url": "{files}/maestro/{task}/project.tgz"],
            ],
        ]
        return document.filled(for: task)
    }
}
