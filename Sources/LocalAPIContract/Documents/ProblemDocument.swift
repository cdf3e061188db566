package import VerbatimJSON

/// An error of the socket: RFC 9457 with a stable `code`.
package struct ProblemDocument: ContractDocument {
    /// A URI that names the kind of problem; `about:blank` if `code` is enough.
    package var type = "about:blank"
    /// A short text, the same for every occurrence.
    package var title = ""
    /// The HTTP status.
    package var status = 0
    /// What happened, what it means, and what to do.
    package var detail = ""
    /// A stable word of the contract; see ``ProblemCode``.
    package var code = ""
    /// Further members: `fields`, `nearest`, `existing_id`, `candidates`.
    package var members = JSONObject()

    package init() {}

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

    /// All but `status` and `code` may be missing.
    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.member("type", &type)
        try coder.member("title", &title)
        try coder.required("status", &status)
        try coder.member("detail", &detail)
        try coder.required("code", &code)
        coder.others(&members, besides: ["type", "title", "status", "detail", "code"])
    }
}
