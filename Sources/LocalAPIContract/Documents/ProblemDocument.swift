package import VerbatimJSON

/// An error as the socket says it: RFC 9457 with a stable `code`.
package struct ProblemDocument: Sendable, Hashable {
    /// A URI that names the kind of problem; `about:blank` where `code` says it all.
    package var type: String
    /// Short, the same for every occurrence.
    package var title: String
    /// The HTTP status.
    package var status: Int
    /// What happened this time, what it means, what to do.
    package var detail: String
    /// Stable word of the contract; see ``ProblemCode``.
    package var code: String
    /// Further members: `fields`, `nearest`, `existing_id`, `candidates`.
    package var members: JSONObject

    package init(
        status: Int, code: String, title: String, detail: String, members: JSONObject = JSONObject(),
        type: String = "about:blank"
    ) {
        self.type = type
        self.title = title
        self.status = status
        self.detail = detail
        self.code = code
        self.members = members
    }

    /// Reads a problem; all but `status` and `code` may be missing.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json)
        type = try reader.string("type") ?? "about:blank"
        title = try reader.string("title") ?? ""
        status = try reader.required("status", reader.integer)
        detail = try reader.string("detail") ?? ""
        code = try reader.required("code", reader.string)
        let known = ["type", "title", "status", "detail", "code"]
        members = JSONObject(
            (json.object?.members ?? []).filter { !known.contains($0.name) }.map { ($0.name, $0.value) })
    }

    /// The problem as it is sent, further members behind.
    package var json: JSONValue {
        var object = JSONObject([
            ("type", .string(type)), ("title", .string(title)), ("status", .number(JSONNumber(status))),
            ("detail", .string(detail)), ("code", .string(code)),
        ])
        for member in members.members { object[member.name] = member.value }
        return .object(object)
    }
}
