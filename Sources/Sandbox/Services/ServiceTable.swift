/// All operations that the sandbox serves. Add a service here or in an extension.
///
/// This file has the services with previews, several outputs or special words. The others are document templates.
///
/// Medians follow the `elapsed` of the provider's example records (midjourney 29 s, suno 38 s, veo 92 s and 145 s,
/// kling 317 s, luma 154 s). For sora, flux, edits and videos they follow its pages' "1 to 2 minutes".
enum ServiceTable {
    static let operations = staged + images + videos + sounds + others

    private static let staged: [SimulatedOperation] = [
        SimulatedOperation(
            service: "midjourney", name: "imagine", recordType: "imagine", requiredFields: [["prompt", "image_id"]],
            duration: TypicalDuration(medianSeconds: 29, paces: midjourneyModes), acceptReply: .successAndTaskID,
            shape: MidjourneyImageShape(style: .grid)),
        SimulatedOperation(
            service: "midjourney", name: "edits", recordType: "edits", requiredFields: [["prompt"], ["image_url"]],
            duration: TypicalDuration(medianSeconds: 60), acceptReply: .taskID,
            shape: MidjourneyImageShape(style: .edit)),
        SimulatedOperation(
            service: "midjourney", name: "videos", recordType: "videos", requiredFields: [["prompt", "video_id"]],
            duration: TypicalDuration(medianSeconds: 90), acceptReply: .taskID, shape: MidjourneyVideoShape()),
        SimulatedOperation(
            service: "suno", name: "audios", recordType: "audios", requiredFields: [["prompt", "lyric", "audio_id"]],
            duration: TypicalDuration(medianSeconds: 38, spread: 0.35), acceptReply: .taskID, shape: SongShape()),
        SimulatedOperation(
            service: "veo", name: "videos", recordType: "videos", requiredFields: [["prompt", "video_id"]],
            duration: TypicalDuration(medianSeconds: 145, paces: [fastModel]), acceptReply: .taskID,
            shape: VideoListShape(style: .veo)),
        SimulatedOperation(
            service: "sora", name: "videos", recordType: "videos", requiredFields: [["prompt"]],
            duration: TypicalDuration(medianSeconds: 90, spread: 0.35), acceptReply: .taskID,
            shape: VideoListShape(style: .sora)),
        kling("videos", requiredFields: [["prompt", "video_id", "multi_prompt"]], medianSeconds: 317),
        kling("motion", requiredFields: [["image_url"], ["video_url"]], medianSeconds: 240),
        kling("lip-sync", requiredFields: [["video_url", "video_id"]], medianSeconds: 120),
        kling("talking-photo", requiredFields: [["image_url"]], medianSeconds: 150),
        SimulatedOperation(
            service: "luma", name: "videos", recordType: "videos",
            requiredFields: [["prompt", "video_id", "video_url"]],
            duration: TypicalDuration(medianSeconds: 154), acceptReply: .taskID, shape: LumaVideoShape()),
        SimulatedOperation(
            service: "flux", name: "images", recordType: "images", requiredFields: [["prompt"]],
            duration: TypicalDuration(medianSeconds: 60), acceptReply: .taskID, shape: ImageListShape()),
    ]

    static let services: Set<String> = Set(operations.map(\.service))

    /// The format of a service's records, shared by its operations.
    static func form(of service: String) -> ServiceForm { forms[service] ?? .standard }

    private static let forms = Dictionary(
        operations.map { ($0.service, $0.form) }, uniquingKeysWith: { first, _ in first })

    private static let fastModel = TypicalDuration.Pace(field: "model", word: "fast", factor: 0.64)

    private static let midjourneyModes = [
        TypicalDuration.Pace(field: "mode", word: "relax", factor: 4),
        TypicalDuration.Pace(field: "mode", word: "turbo", factor: 0.6),
    ]

    private static func kling(
        _ name: String, requiredFields: [[String]], medianSeconds: Double
    ) -> SimulatedOperation {
        SimulatedOperation(
            service: "kling", name: name, recordType: name, requiredFields: requiredFields,
            duration: TypicalDuration(medianSeconds: medianSeconds), acceptReply: .taskID, shape: KlingVideoShape())
    }
}
