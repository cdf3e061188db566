import HTTPTypes

/// Songs, voices and operations on them.
extension ServiceTable {
    static let sounds: [SimulatedOperation] = [
        suno(
            "vox", needs: [["audio_id"]], seconds: 60,
            data: [
                "id": "{media}", "source_clip_id": "{job}", "status": "complete",
                "vocal_audio_url": "{files}/processed_{media}_vocals.mp3", "vocal_start_s": 20,
                "vocal_end_s": 30,
            ]),
        suno("wav", needs: [["audio_id"]], seconds: 60, data: [["file_url": "{files}/{media}.wav"]]),
        suno("midi", needs: [["audio_id"]], seconds: 60, data: ["midi_url": "{files}/{media}.mid"]),
        inlineSuno(
            "lyrics", needs: [["prompt"]],
            data: ["text": "[Verse]\nRain on a tin roof", "title": "Tin Roof", "status": "complete"]),
        inlineSuno(
            "mashup-lyrics", needs: [["lyrics_a"], ["lyrics_b"]],
            data: ["text": "Rain on the roof, sun in the street", "title": "Mashup", "tags": [], "status": "complete"]),
        inlineSuno("style", needs: [["prompt"]], data: ["upsampled_tags": "Slow folk with a cello and brushed drums"]),
        inlineSuno("persona", needs: [["audio_id"]], data: ["persona_id": "{media}"]),
        inlineSuno("voices", needs: [["audio_url"]], data: ["voice_id": "{media}"]),
        inlineSuno(
            "upload", needs: [["audio_url"]],
            data: [
                "audio_id": "{media}", "audio_url": "{files}/{media}.mp3", "title": "up-{job}",
                "image_url": "{files}/image_{media}.png", "duration": .number("131.16"),
            ]),
        inlineSuno("mp4", needs: [["audio_id"]], data: ["video_url": "{files}/{media}.mp4"]),
        inlineSuno(
            "timing", needs: [["audio_id"]],
            data: ["aligned_words": [["word": "Rain", "start_s": .number("1.2"), "end_s": .number("1.6")]]]),
        SimulatedOperation(
            service: "producer", name: "audios", recordType: "audios", requiredFields: [["prompt", "lyric"]],
            duration: TypicalDuration(medianSeconds: 40),
            shape: TemplateShape(
                partial: ["task_id": "{task}", "data": [song(state: "pending", progress: "40%", audio: "")]],
                // No `success` anywhere, and numbers as text.
                result: [
                    "task_id": "{task}",
                    "data": [
                        song(
                            state: "succeeded", progress: "100%",
                            audio: "{files}/producer/{media}.mp3")
                    ],
                ])),
        // A synchronous submit's reply has no id, and a callback has no `success`.
        SimulatedOperation(
            service: "fish", name: "tts", recordType: "audios", requiredFields: [["text", "prompt"]],
            duration: TypicalDuration(medianSeconds: 15),
            acceptReply: AcceptReply(document: ["task_id": "{task}", "started_at": "{started}"]),
            form: ServiceForm(times: .createdOnly),
            shape: TemplateShape(
                result: [
                    "success": true, "task_id": "{task}", "trace_id": "{trace}",
                    "data": [["audio_url": "{files}/fish/{task}.mp3"]],
                ],
                inlineResult: ["audio_url": "{files}/task/{task}.mp3"],
                callbackResult: ["task_id": "{task}", "audio_url": "{files}/task/{task}.mp3"],
                failureStyles: [.plain, .uncoded, .string])),
    ]

    private static func song(state: String, progress: String, audio: String) -> JSONValue {
        [
            "id": "{media}", "title": "Tin Roof", "image_url": "{files}/{media}.png",
            "lyric": "[Verse]\nRain on a tin roof", "audio_url": .string(audio), "video_url": nil,
            "seed": "1490770667", "model": "FUZZ-2.0 Pro", "progress": .string(progress), "state": .string(state),
            "duration": "135.2330158730159",
        ]
    }

    private static func suno(
        _ name: String, needs fields: [[String]], seconds: Double, delivery: SimulatedOperation.Delivery = .asAsked,
        data: JSONValue
    ) -> SimulatedOperation {
        SimulatedOperation(
            service: "suno", name: name, recordType: name, requiredFields: fields,
            duration: TypicalDuration(medianSeconds: seconds), delivery: delivery,
            shape: TemplateShape(
                result: ["success": true, "task_id": "{task}", "trace_id": "{trace}", "data": data]))
    }

    /// Does not support `async` or `callback_url`.
    private static func inlineSuno(_ name: String, needs fields: [[String]], data: JSONValue) -> SimulatedOperation {
        suno(name, needs: fields, seconds: 7, delivery: .inline, data: data)
    }
}
