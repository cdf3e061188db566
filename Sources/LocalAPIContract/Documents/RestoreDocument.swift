import VerbatimJSON

/// RestoreDocument says whether the database is an older copy, and what may have been sent since it was made.
package struct RestoreDocument: ContractDocument {
    /// Whether nothing paid is sent until a person accepts the copy.
    package var restored = false
    /// What shows that it is a copy, as a sentence.
    package var reason: String?
    /// Tasks of the copy may have been sent since then. RFC 3339.
    package var since: String?
    /// The first start on the copy. RFC 3339.
    package var noticedAt: String?
    /// The first 500 tasks that may have been sent and were not found yet.
    package var uncertain: [Uncertain] = []
    /// How many tasks are queued: submitted since, or looked for and not to be sent yet.
    package var queued = 0
    /// How many tasks were sent again by accepting; nil in other replies.
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

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("restored", &restored)
        try coder.member("reason", &reason)
        try coder.member("since", &since)
        try coder.member("noticed_at", &noticedAt)
        try coder.documents("uncertain", &uncertain)
        try coder.member("queued", &queued)
        try coder.member("resubmitted", &resubmitted)
    }
}
