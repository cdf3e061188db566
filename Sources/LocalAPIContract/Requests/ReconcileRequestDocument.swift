/// A request to compare the providers' lists with the tasks.
package struct ReconcileRequestDocument: ContractDocument {
    /// Records and tasks from this time on are compared, by default those of the last day. RFC 3339.
    package var since: String?
    /// The only provider whose lists are read.
    package var provider: String?
    /// Whether records that no task has are tracked.
    package var adopt = false

    package static let isRequest = true

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.member("since", &since)
        try coder.member("provider", &provider)
        try coder.member("adopt", &adopt)
    }
}
