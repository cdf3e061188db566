/// A request to write a copy of the database.
package struct BackupRequestDocument: ContractDocument {
    /// The absolute path of an existing directory.
    package var directory = ""

    package static let isRequest = true

    package init() {}

    package init(directory: String) {
        self.directory = directory
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("directory", &directory, EnvelopeRules.check(directory:named:))
    }
}
