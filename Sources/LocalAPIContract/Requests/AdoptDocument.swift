/// AdoptDocument is a request to track a task that was submitted elsewhere.
package struct AdoptDocument: ContractDocument {
    /// `service/operation`.
    package var endpoint = ""
    /// The provider's id for it.
    package var remoteID = ""
    /// The account that has it; none means the first of the provider.
    package var account: String?
    package var labels: [String: String] = [:]
    /// −1000 to 1000; higher goes first; none means 0.
    package var priority: Int?
    /// RFC 3339, or a span such as `+2h`; the reader of the document validates it.
    package var deadline: String?

    package static let isRequest = true

    package init() {}

    /// A task that leaves all else to the daemon.
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
