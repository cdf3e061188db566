/// A request to remove now what is older than the retention allows.
package struct PruneRequestDocument: ContractDocument {
    /// Whether the removals are only counted.
    package var dryRun = false

    package static let isRequest = true

    package init() {}

    package init(dryRun: Bool) {
        self.dryRun = dryRun
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.member("dry_run", &dryRun)
    }
}
