/// The difference between the providers' lists and the tasks.
package struct ReconcileDocument: ContractDocument {
    /// Records and tasks from this time on were compared. RFC 3339.
    package var since = ""
    /// When the comparison began. RFC 3339.
    package var began = ""
    /// Whether every list that exists was read to its end.
    package var complete = true
    /// Whether there are no orphans, ghosts and price differences.
    package var agrees = true
    /// The number of records that tasks have.
    package var known = 0
    /// The number of records that may belong to tasks which were being sent.
    package var inFlight = 0
    /// The number of records that the providers list and no task has.
    package var orphanCount = 0
    /// The first 500 of them.
    package var orphans: [Orphan] = []
    /// The number of tasks that their providers do not list.
    package var ghostCount = 0
    /// The first 500 of them.
    package var ghosts: [Ghost] = []
    /// The number of attempts whose records say another cost than the ledger.
    package var priceDifferenceCount = 0
    /// The first 500 of them.
    package var priceDifferences: [PriceDifference] = []
    /// The number of tasks about which the lists say nothing.
    package var unjudged = 0
    package var lists: [List] = []

    /// A record that no task has.
    package struct Orphan: ContractDocument {
        package var provider = ""
        /// The account whose list shows it.
        package var account = ""
        package var remoteID = ""
        /// The time by the provider's clock. RFC 3339.
        package var createdAt: String?
        /// The beginning of the prompt that the provider lists.
        package var prompt: String?
        /// The endpoint as which it can be tracked; nil if the list does not show that.
        package var endpoint: String?
        /// Uncertain tasks whose request it may be.
        package var uncertain: [String] = []
        /// The task that tracks it now.
        package var task: String?
        /// Why it was not adopted.
        package var problem: String?

        package init() {}

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("provider", &provider)
            try coder.required("account", &account)
            try coder.required("remote_id", &remoteID)
            try coder.member("created_at", &createdAt)
            try coder.member("prompt", &prompt)
            try coder.member("endpoint", &endpoint)
            try coder.member("uncertain_tasks", &uncertain)
            try coder.member("task_id", &task)
            try coder.member("problem", &problem)
        }
    }

    /// A task that its provider does not list.
    package struct Ghost: ContractDocument {
        package var task = ""
        package var endpoint = ""
        package var account = ""
        package var remoteID = ""
        package var state = ""
        /// RFC 3339.
        package var submittedAt = ""

        package init() {}

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("task_id", &task)
            try coder.required("endpoint", &endpoint)
            try coder.required("account", &account)
            try coder.required("remote_id", &remoteID)
            try coder.required("state", &state)
            try coder.required("submitted_at", &submittedAt)
        }
    }

    /// An attempt whose record says another cost than the ledger.
    package struct PriceDifference: ContractDocument {
        package var task = ""
        package var attempt = 0
        package var account = ""
        package var remoteID = ""
        package var recorded = AmountDocument()
        /// What the ledger counts; nil if no price told what the attempt costs.
        package var counted: AmountDocument?
        /// Whether the ledger counts it as spent; else it is reserved.
        package var settled = false

        package init() {}

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("task_id", &task)
            try coder.required("attempt", &attempt)
            try coder.required("account", &account)
            try coder.required("remote_id", &remoteID)
            try coder.required("recorded", &recorded)
            try coder.member("counted", &counted)
            try coder.required("settled", &settled)
        }
    }

    /// How far one list was read.
    package struct List: ContractDocument {
        package var provider = ""
        /// Nil if the provider has no list for the services.
        package var account: String?
        package var services: [String] = []
        /// `read`, `incomplete`, `unread` or `none`.
        package var condition = ""
        package var records = 0

        package init() {}

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("provider", &provider)
            try coder.member("account", &account)
            try coder.member("services", &services)
            try coder.required("condition", &condition)
            try coder.member("records", &records)
        }
    }

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("since", &since)
        try coder.required("began", &began)
        try coder.required("complete", &complete)
        try coder.required("agrees", &agrees)
        try coder.member("known", &known)
        try coder.member("in_flight", &inFlight)
        try coder.member("orphan_count", &orphanCount)
        try coder.documents("orphans", &orphans)
        try coder.member("ghost_count", &ghostCount)
        try coder.documents("ghosts", &ghosts)
        try coder.member("price_difference_count", &priceDifferenceCount)
        try coder.documents("price_differences", &priceDifferences)
        try coder.member("unjudged", &unjudged)
        try coder.documents("lists", &lists)
    }
}
