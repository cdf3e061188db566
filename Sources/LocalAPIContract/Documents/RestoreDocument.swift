import VerbatimJSON

/// Whether the database is an older copy, and what may have been sent since it was made.
package struct RestoreDocument: ContractDocument {
    /// Whether nothing paid is sent until a person accepts the copy.
    package var restored = false
    /// The evidence that it is a copy, as a sentence.
    package var reason: String?
    /// The time since which tasks of the copy may have been sent. RFC 3339.
    package var since: String?
    /// The first start on the copy. RFC 3339.
    package var noticedAt: String?
    /// The processes of a shared store whose machines have to compare their journals of attempts with the database; nil if
    /// only a person ends the mode.
    package var awaited: [String]?
    /// The first 500 tasks that may have been sent and were not found yet.
    package var uncertain: [Uncertain] = []
    /// The number of queued tasks: submitted since, or looked up and not yet sent.
    package var queued = 0
    /// The first 500 records from that time that the providers list and no task owns. They may belong to tasks that the
    /// copy has lost, to tasks that may have been sent, or to other programs. Only in the reply to GET.
    package var unowned: [Unowned] = []
    /// The services whose lists could not be read completely, separated by blanks.
    package var unread: String?
    /// The number of tasks that accepting the copy sent again; nil in other replies.
    package var resubmitted: Int?

    /// A task that may have been sent.
    package struct Uncertain: ContractDocument {
        package var id = ""
        package var endpoint = ""
        /// Remote ids that may be the task's, separated by blanks.
        package var possible = ""

        package init() {}

        package init(id: String, endpoint: String, possible: String) {
            self.id = id
            self.endpoint = endpoint
            self.possible = possible
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("id", &id)
            try coder.required("endpoint", &endpoint)
            try coder.member("possible", &possible)
        }
    }

    /// A record that no task owns.
    package struct Unowned: ContractDocument {
        package var service = ""
        /// The account whose list shows it.
        package var account = ""
        package var remoteID = ""
        /// The time by the provider's clock. RFC 3339.
        package var createdAt: String?
        /// The beginning of the prompt that the provider lists.
        package var prompt: String?

        package init() {}

        package init(service: String, account: String, remoteID: String, createdAt: String?, prompt: String?) {
            self.service = service
            self.account = account
            self.remoteID = remoteID
            self.createdAt = createdAt
            self.prompt = prompt
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("service", &service)
            try coder.member("account", &account)
            try coder.required("remote_id", &remoteID)
            try coder.member("created_at", &createdAt)
            try coder.member("prompt", &prompt)
        }
    }

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("restored", &restored)
        try coder.member("reason", &reason)
        try coder.member("since", &since)
        try coder.member("noticed_at", &noticedAt)
        try coder.member("awaited", &awaited)
        try coder.documents("uncertain", &uncertain)
        try coder.member("queued", &queued)
        try coder.documents("unowned", &unowned)
        try coder.member("unread", &unread)
        try coder.member("resubmitted", &resubmitted)
    }
}
