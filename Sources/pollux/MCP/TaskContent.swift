import FoundationEssentials
import LocalAPIClient
import LocalAPIContract
import Text
import VerbatimJSON

/// TaskContent shows a task to a model: in words, as JSON without payloads, and as links to its results.
struct TaskContent: Sendable {
    /// The most bytes of pictures in one result.
    static let mostInline = 1 << 20

    let answer: Answer<TaskDocument>
    /// The daemon's directory of files; nil if no file is saved.
    let directory: String?

    var task: TaskDocument { answer.document }

    /// The state and what follows from it, then a line for each result.
    func text(now: Date = Date()) -> String {
        let heading = "Task \(task.id) (\(task.endpoint)): \(task.stateWords)"
        guard task.hasEnded else {
            let reason = task.reason.isEmpty ? "" : " \(task.reason)"
            let expectation = task.expectation(now: now)
            return heading + (expectation.isEmpty ? "." : ", \(expectation).") + reason
                + " It goes on by itself: call `wait` with this id."
        }
        guard task.state == "succeeded" else {
            let hint = task.error?.hint.map { " \($0)" } ?? ""
            return heading + (task.reason.isEmpty ? "." : ": \(task.reason)") + hint
        }
        return ([heading + "."] + (task.results.isEmpty ? [task.noResults] : task.results.map(line(for:))))
            .joined(separator: "\n")
    }

    private func line(for result: TaskDocument.Result) -> String {
        if let path = path(of: result) { return path }
        let text = result.value.string ?? (result.value.isNull ? "" : result.value.text)
        guard result.kind != "data" else {
            return "(\(result.mediaType ?? "data"), \(result.sizeBytes ?? 0) bytes, in the record at \(result.pointer))"
        }
        return result.artefact.map { "\(text) (file: \($0.state))" } ?? text
    }

    /// The file of a result on this machine, once it is saved.
    private func path(of result: TaskDocument.Result) -> String? {
        guard let directory, result.artefact?.state == "saved", let path = result.artefact?.path else { return nil }
        return "\(directory)/\(path)"
    }

    /// The task without its request and its record.
    var structured: JSONObject {
        var json = answer.json.object ?? JSONObject()
        json["request"] = nil
        json["response"] = nil
        if let results = json["results"]?.array {
            json["results"] = .array(
                zip(results, task.results).map { result, document in
                    guard var members = result.object, let path = path(of: document) else { return result }
                    members["file"] = .string(path)
                    return .object(members)
                })
        }
        return json
    }

    /// A link to each file.
    var links: [JSONValue] {
        task.results.compactMap { result in
            guard result.kind == "url", let url = result.value.string else { return nil }
            let path = path(of: result)
            let uri = path.map {
                "file://" + $0.split(separator: "/").map { "/" + String($0).percentEncodedSegment }.joined()
            }
            let last = (path ?? url).split(separator: "/").last.map(String.init) ?? url
            let name = String(last.prefix { !"?#".contains($0) })
            var link = JSONObject([
                ("type", "resource_link"), ("uri", .string(uri ?? url.printable)),
                ("name", .string((name.isEmpty ? url : name).printable)),
            ])
            link["mimeType"] = (result.artefact?.mediaType ?? result.mediaType).map { .string($0) }
            link["size"] = result.artefact?.sizeBytes.map { .number(JSONNumber($0)) }
            return .object(link)
        }
    }

    /// The pictures, as far as they have room, and what is said about the others.
    func pictures(from client: LocalAPIClient, room: inout Int) async -> (images: [JSONValue], notes: [String]) {
        var (images, notes): ([JSONValue], [String]) = ([], [])
        for result in task.results where Self.isPicture(result) {
            guard let bytes = try? await bytes(of: result, from: client, atMost: room) else {
                notes.append("A picture is not shown here: it is not on disk yet, or the pictures have more than 1 MB.")
                continue
            }
            room -= bytes.count
            let type = result.artefact?.mediaType ?? result.mediaType ?? "image/png"
            images.append([
                "type": "image", "data": .string(Data(bytes).base64EncodedString()), "mimeType": .string(type),
            ])
        }
        return (images, notes)
    }

    private static func isPicture(_ result: TaskDocument.Result) -> Bool {
        (result.artefact?.mediaType ?? result.mediaType ?? "").hasPrefix("image/")
    }

    private struct NotShown: Error {}

    private func bytes(
        of result: TaskDocument.Result, from client: LocalAPIClient, atMost room: Int
    ) async throws -> [UInt8] {
        if result.kind == "data" {
            let text = JSONPointer(result.pointer).flatMap { task.response.value(at: $0)?.string } ?? ""
            let data = text.hasPrefix("data:") ? text.drop { $0 != "," }.dropFirst() : text[...]
            guard data.utf8.count <= room / 3 * 4, let bytes = Data(base64Encoded: String(data)), !bytes.isEmpty else {
                throw NotShown()
            }
            return Array(bytes)
        }
        guard let file = result.artefact, file.state == "saved", let sha256 = file.sha256, file.sizeBytes ?? 0 <= room
        else { throw NotShown() }
        var bytes: [UInt8] = []
        try await client.download(sha256) { part in
            bytes += part
            guard bytes.count <= room else { throw NotShown() }
        }
        return bytes
    }
}
