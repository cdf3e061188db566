import HTTPTypes

/// Pictures in one document. Medians follow the examples' `elapsed`, else the pages' "1 to 2 minutes".
extension ServiceTable {
    static let images: [SimulatedOperation] = [
        pictures(
            "nano-banana", "images", needs: [["prompt"]], form: ServiceForm(times: .createdOnly),
            item: ["prompt": "{prompt}", "image_url": "{files}/nanobanana/{task}.png"]),
        // A single look-up gives one document, a list gives a whole record.
        pictures(
            "seedream", "images", needs: [["prompt"]],
            form: ServiceForm(record: .flatWhenAlone, times: .createdOnly, unknown: .unknownTask("not_found")),
            item: [
                "prompt": "{prompt}", "size": "2048x2048",
                "image_url": "{files}/seedream/{task}.png",
            ]),
        pictures(
            "qwen-image", "images", needs: [["prompt"]], seconds: 9,
            item: ["image_url": "{files}/qwen-image/{task}.png"]),
        openAI("images/generations", needs: [["prompt"]]),
        openAI("images/edits", needs: [["prompt"], ["image"]]),
        SimulatedOperation(
            service: "qrart", name: "generate", recordType: "generate", requiredFields: [["content"], ["type"]],
            duration: TypicalDuration(medianSeconds: 30), form: ServiceForm(times: .createdOnly),
            shape: TemplateShape(
                result: qrCode.appending(["seed": .number("2701847236953402"), "success": true]),
                inlineResult: (["task_id": "{task}"] as JSONValue).appending(qrCode))),
        SimulatedOperation(
            service: "headshots", name: "generate", recordType: "generate",
            requiredFields: [["image_urls"], ["template"]],
            duration: TypicalDuration(medianSeconds: 90), form: ServiceForm(times: .createdOnly),
            shape: TemplateShape(
                // This service alone uses the word, and it says nothing about the state.
                partial: ["task_id": "{task}", "status": "unknown", "data": []],
                result: [
                    "success": true, "task_id": "{task}",
                    "data": [
                        [
                            "id": "{number}", "template": "Male Portrait",
                            "image_url": "{files}/headshots/{task}.png",
                        ]
                    ],
                ])),
        // Texts about pictures: the reply is the result, and there is no task.
        utility("describe", needs: [["image_url"]], result: ["descriptions": ["A fox stands in the snow"]]),
        utility("shorten", needs: [["prompt"]], result: ["prompts": ["a red fox in the snow"]]),
        utility("seed", needs: [["image_id", "image_url"]], result: ["seed": "2701847236"]),
        utility("translate", needs: [["content"]], result: ["content": "A red fox in the snow"]),
    ]

    private static let qrCode: JSONValue = [
        "image_url": "{files}/qrart/{task}.png", "image_width": 768, "image_height": 768,
    ]

    /// A list of pictures without a word for the state.
    private static func pictures(
        _ service: String, _ name: String, needs fields: [[String]], seconds: Double = 60,
        form: ServiceForm = .standard, item: JSONValue
    ) -> SimulatedOperation {
        SimulatedOperation(
            service: service, name: name, recordType: name, requiredFields: fields,
            duration: TypicalDuration(medianSeconds: seconds), form: form,
            shape: TemplateShape(
                result: ["success": true, "task_id": "{task}", "trace_id": "{trace}", "data": [item]]))
    }

    /// OpenAI's pictures: the reply has no id, the record no word, and a callback nests the list once more.
    private static func openAI(_ name: String, needs fields: [[String]]) -> SimulatedOperation {
        let picture: JSONValue = ["url": "{files}/openai/{task}.png"]
        let reply: JSONValue = ["created": 1_763_142_637, "data": [picture]]
        return SimulatedOperation(
            service: "openai", name: name, recordType: "images", requiredFields: fields,
            duration: TypicalDuration(medianSeconds: 29),
            shape: TemplateShape(
                result: reply.appending(["success": true]), inlineResult: reply,
                callbackResult: ["success": true, "task_id": "{task}", "trace_id": "{trace}", "data": reply]))
    }

    private static func utility(_ name: String, needs fields: [[String]], result: JSONValue) -> SimulatedOperation {
        SimulatedOperation(
            service: "midjourney", name: name, recordType: name, requiredFields: fields,
            duration: TypicalDuration(medianSeconds: 5), delivery: .inline, shape: TemplateShape(result: result))
    }
}
