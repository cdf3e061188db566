/// DashboardLoginDocument is an address that lets one browser into the dashboard, once.
package struct DashboardLoginDocument: ContractDocument {
    /// With the code in its fragment, which browsers do not send.
    package var url = ""
    /// Whether the session can only look.
    package var readOnly = false
    /// RFC 3339. When the code stops working.
    package var expiresAt = ""

    package init() {}

    package init(url: String, readOnly: Bool, expiresAt: String) {
        self.url = url
        self.readOnly = readOnly
        self.expiresAt = expiresAt
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("url", &url)
        try coder.member("read_only", &readOnly)
        try coder.required("expires_at", &expiresAt)
    }
}
