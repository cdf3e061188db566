/// A request to track a task that was submitted elsewhere.
package struct AdoptDocument: ContractDocument {
    /// `service/operation`.
    package var endpoint = ""
    /// The provider's id of the task.
    package var remoteID = ""
    /// The account that has it; by default the first of the provider.
    package var account: String?
    package var labels: [String: String] = [:]
    /// −1000 to 1000, 0 by default. Higher priorities come first.
    package var priority: Int?
    /// RFC 3339, or a duration such as `+2h`. The reader of the document validates it.
    package var deadline: String?

    package static let isRequest = true

    package init() {}

    /// Creates a request with defaults for all other members.
    package init(endpoint: String, remoteID: String) {
        self.endpoint = endpoint
        self.remoteID = remoteID
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("endpoint", &endpoint, EnvelopeRules.check(word:named:))
        try coder.required("remote_id", &remoteID, EnvelopeRules.check(word:named:))
        try coder.member("account", &account)
        try coder.member("labels", &labels, EnvelopeRules.check(labels:named:))
        try coder.member("priority", &priority, EnvelopeRules.check(priority:named:))
        try coder.member("deadline", &deadline)
    }
}
