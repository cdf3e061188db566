import VerbatimJSON

/// An error as a provider reports it.
struct ReportedError: Hashable {
    /// The form of the error. Some services give fewer details than others.
    enum Form: Hashable {
        /// `{"error": {"code" or "type", "message"}}`, or `{"code", "detail"}`.
        case object
        /// `{"error": "a text"}`.
        case text
        /// `{"status": 400, "message": …}` without any error member.
        case status
    }

    var form: Form
    var code: String?
    var message: String?
    /// The HTTP status in the body.
    var httpStatus: Int?

    /// Whether the code is a word of the provider. Frameworks and gateways use numbers.
    var hasOwnCode: Bool { form == .object && code?.contains(where: \.isLetter) == true }

    /// Reads the error that an object reports about itself; nil if it reports none.
    init?(in object: JSONObject) {
        let claimed = object["status"]?.number.flatMap(HTTPStatus.init).flatMap { $0.isError ? $0.code : nil }
        let code = Self.text(object["code"])
        // Computed lazily, because nearly every record reports no error and is read several times.
        var beside: String? { Self.words(object["message"]) ?? Self.words(object["detail"]) }
        switch object["error"] {
        case .object(let error) where !error.isEmpty:
            self.init(
                form: .object,
                // MiniMax's worker names the code `type`, and repeats the HTTP status as a text.
                code: Self.text(error["code"]) ?? Self.text(error["type"]),
                message: Self.words(error["message"]) ?? Self.words(error["detail"]) ?? beside,
                httpStatus: Self.text(error["http_code"]).flatMap { Int($0) } ?? claimed)
        case .some(let error) where !Self.isNoError(error):
            self.init(form: .text, code: code, message: Self.words(error) ?? beside, httpStatus: claimed)
        case nil, .some:
            if code != nil, let words = beside {
                self.init(form: .object, code: code, message: words, httpStatus: claimed)
            } else if claimed != nil {
                self.init(form: .status, code: nil, message: beside, httpStatus: claimed)
            } else {
                return nil
            }
        }
    }

    /// `null`, `{}`, `[]`, `""`, `0` and `false` report no error.
    private static func isNoError(_ error: JSONValue) -> Bool {
        switch error {
        case .null: true
        case .bool(let flag): !flag
        case .number(let number): number.integer == 0
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .object(let object): object.isEmpty
        }
    }

    init(form: Form, code: String?, message: String?, httpStatus: Int? = nil) {
        self.form = form
        self.code = code
        self.message = message
        self.httpStatus = httpStatus
    }

    /// A code may be a number (`1026`), and a message any JSON.
    private static func text(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text.isEmpty ? nil : text
        case .number(let number): number.digits
        case .array(let elements): elements.isEmpty ? nil : value?.text
        case .object(let object): object.isEmpty ? nil : value?.text
        case nil, .null, .bool: nil
        }
    }

    /// The message text. Fish encodes its list of errors as a text: `[{"loc": ["format"], "msg": "…"}]`.
    private static func words(_ value: JSONValue?) -> String? {
        guard let text = text(value) else { return nil }
        // Most messages are not JSON.
        guard text.hasPrefix("["), let list = try? JSONValue(parsing: text, limits: .lenient).array else { return text }
        let complaints = list.compactMap { complaint -> String? in
            guard let problem = complaint["msg"]?.string else { return nil }
            let place = (complaint["loc"]?.array ?? []).compactMap { Self.text($0) }.joined(separator: ".")
            return place.isEmpty ? problem : "\(place): \(problem)"
        }
        return complaints.isEmpty ? text : complaints.joined(separator: "; ")
    }
}
