import VerbatimJSON

extension TaskRecord {
    /// Whether every part of the answer has a result under one of these names, or under a general one.
    func hasResults(under names: Set<String>?) -> Bool {
        guard let body else { return false }
        let items = items
        guard items.isEmpty else { return items.allSatisfy { Self.holdsResult($0, names) } }
        return Self.holdsResult(body, names)
    }

    /// Whether at least one part has one. This is enough if the parts report their own failures.
    func hasAnyResult(under names: Set<String>?) -> Bool {
        hasResults(under: names) || items.contains { Self.holdsResult($0, names) }
    }

    /// Whether an inline answer has anything but bookkeeping: a persona's id, a style's text, an asset's number.
    ///
    /// The name of such a result differs between endpoints; URLs are judged by their names instead. Do not use it for a
    /// record, whose `data` may be partial while the task runs.
    var hasPayload: Bool {
        if Self.inlineTexts.contains(where: { name in top[name].map { !Self.isEmpty($0) } ?? false }) { return true }
        guard success == .yes else { return false }
        return items.contains { item in item.members.contains { Self.isContent($0) && !Self.isURL($0.name) } }
    }

    /// Whether there is anything but bookkeeping. This is enough if the endpoint's only answer is its result.
    var hasContent: Bool {
        top.members.contains(where: Self.isContent)
    }

    private static func isContent(_ member: JSONObject.Member) -> Bool {
        !bookkeeping.contains(member.name) && !isEmpty(member.value)
    }

    static func holdsResult(_ object: JSONObject, _ names: Set<String>?) -> Bool {
        object.members.contains { member in
            // The record echoes the request under `request`, with the request's own URLs.
            guard member.name != "request", !isEmpty(member.value) else { return false }
            switch member.value {
            case .string, .number:
                return isResult(member.name, names)
            case .array(let elements):
                return isResult(member.name, names) && !elements.allSatisfy(isEmpty)
                    || elements.contains { $0.object.map { holdsResult($0, names) } ?? false }
            case .object(let inner):
                // A definition may name a whole object, because the parts of a captcha's solution differ.
                return names?.contains(member.name) == true || holdsResult(inner, names)
            case .null, .bool:
                return false
            }
        }
    }

    private static func isResult(_ name: String, _ names: Set<String>?) -> Bool {
        if let names { return names.contains(name) }
        if notResults.contains(name) { return false }
        return isURL(name) || otherResults.contains(name)
    }

    static func isURL(_ name: String) -> Bool {
        name == "url" || name == "urls" || name.hasSuffix("_url") || name.hasSuffix("_urls")
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        switch value {
        case .null: true
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .object(let object): object.isEmpty
        case .bool, .number: false
        }
    }

    /// Members with images in base64.
    private static let otherResults: Set<String> = ["b64_json"]

    /// The members in which Midjourney's describe and translate put texts. Those replies have neither id nor `success`.
    private static let inlineTexts = ["descriptions", "content"]

    /// Names of URLs that are poll addresses, callback addresses or echoed inputs.
    static let notResults: Set<String> = [
        "callback_url", "webhook_url", "status_url", "polling_url", "poll_url", "response_url", "cancel_url",
        "tasks_url", "first_image_url", "last_image_url", "content_image_url", "reference_image_url", "input_url",
        "source_url",
    ]

    static let bookkeeping: Set<String> = [
        "id", "task_id", "trace_id", "job_id", "request_id", "status", "state", "success", "progress", "type", "model",
        "prompt", "message", "error", "code", "created", "created_at", "started_at", "updated_at", "finished_at",
        "elapsed", "eta", "queue_position", "usage", "callback_url",
    ]
}
