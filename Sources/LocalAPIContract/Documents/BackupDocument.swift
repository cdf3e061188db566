/// A finished copy of the database.
package struct BackupDocument: ContractDocument {
    package var path = ""
    package var sizeBytes = 0
    /// The time of the copy, RFC 3339.
    package var createdAt = ""

    package init() {}

    package init(path: String, sizeBytes: Int, createdAt: String) {
        self.path = path
        self.sizeBytes = sizeBytes
        self.createdAt = createdAt
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("path", &path)
        try coder.required("size_bytes", &sizeBytes)
        try coder.required("created_at", &createdAt)
    }
}
