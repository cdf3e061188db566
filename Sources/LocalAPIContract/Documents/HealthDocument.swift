/// The reply of `/healthz` and `/readyz`. A daemon that is not ready replies with a problem instead.
package struct HealthDocument: ContractDocument {
    /// `ok` or `ready`.
    package var status = ""

    package init() {}

    package init(status: String) {
        self.status = status
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("status", &status)
    }
}
