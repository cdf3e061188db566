import HTTPTypes

/// Web pages and captcha solutions.
extension ServiceTable {
    static let others: [SimulatedOperation] = [
        page("extract", data: ["markdown": "# A page\n\nIts text.", "contentType": "article"]),
        page("render", data: ["html": "<html><body>Its text.</body></html>"]),
        captcha("token/hcaptcha", needs: [["website_key"], ["website_url"]], result: ["token": "P1_{number}"]),
        captcha("token/recaptcha2", needs: [["website_key"], ["website_url"]], result: ["token": "03A_{number}"]),
        captcha("token/recaptcha3", needs: [["website_key"], ["website_url"]], result: ["token": "03A_{number}"]),
        captcha("token/turnstile", needs: [["website_key"], ["website_url"]], result: ["token": "0.{number}"]),
        captcha(
            "recognition/hcaptcha", needs: [["queries", "question"]],
            result: ["solution": ["box": ["565", "140"], "label": "a boat", "confidences": .number("0.717")]]),
        captcha(
            "recognition/recaptcha2", needs: [["image"], ["question"]],
            result: ["solution": ["size": 300, "label": "/m/01pns0", "objects": [1, 2, 7]]]),
        captcha("recognition/image2text", needs: [["image"]], result: ["text": "7364"]),
    ]

    /// Web pages. The URL in the reply is the requested one.
    private static func page(_ name: String, data: JSONValue) -> SimulatedOperation {
        let head: JSONValue = ["kind": .string(name), "url": "{url}", "title": "A page"]
        return SimulatedOperation(
            service: "webextrator", name: name, recordType: name, requiredFields: [["url"]],
            duration: TypicalDuration(medianSeconds: 2.4),
            acceptReply: AcceptReply(
                document: [
                    "success": true, "task_id": "{task}", "trace_id": "{trace}", "started_at": "{started}",
                ]),
            form: ServiceForm(times: .iso8601),
            shape: TemplateShape(
                result: [
                    "success": true, "task_id": "{task}", "trace_id": "{trace}", "started_at": "{started}",
                    "finished_at": "{finished}", "data": head.appending(data),
                ]))
    }

    private static func captcha(_ name: String, needs fields: [[String]], result: JSONValue) -> SimulatedOperation {
        SimulatedOperation(
            service: "captcha", name: name, recordType: name, requiredFields: fields,
            duration: TypicalDuration(medianSeconds: 12),
            acceptReply: AcceptReply(status: .created, document: ["task_id": "{task}", "trace_id": "{trace}"]),
            form: ServiceForm(
                record: .flat, lookupKeys: ["task_id"], batch: .none, unknown: .unknownTask("not_found")),
            shape: TemplateShape(result: result))
    }
}
