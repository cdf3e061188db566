/// DashboardLoginRequestDocument is a request for an address that lets one browser into the dashboard.
package struct DashboardLoginRequestDocument: ContractDocument {
    /// Whether the session can only look.
    package var readOnly = false

    package static let isRequest = true

    package init() {}

    package init(readOnly: Bool) {
        self.readOnly = readOnly
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.member("read_only", &readOnly)
    }
}
