package import TaskModel

/// The result of comparing the providers' lists with the tasks.
package struct ReconcileReport: Sendable {
    /// A record that the provider lists and no task has.
    package struct Orphan: Sendable, Hashable {
        package let provider: ProviderName
        package let account: AccountName
        package let remoteID: RemoteTaskID
        /// The time by the provider's clock; nil if its list gives none.
        package let createdAt: Timestamp?
        /// The beginning of the prompt that the list echoes.
        package let prompt: String?
        /// The endpoint as which it can be tracked; nil if its list does not show that.
        package let endpoint: EndpointName?
        /// Uncertain tasks whose request it may be, at most ``mostUncertain``.
        package let uncertain: [TaskID]
        /// The task that tracks it now; nil if it was not adopted.
        package var task: TaskID?
        /// Why it was not adopted; nil if it was, or if that was not asked for.
        package var problem: String?

        static let mostUncertain = 5
    }

    /// A task whose record a complete list of its provider lacks.
    package struct Ghost: Sendable, Hashable {
        package let task: TaskID
        package let endpoint: EndpointName
        package let account: AccountName
        package let remoteID: RemoteTaskID
        package let state: TaskState
        package let submittedAt: Timestamp
    }

    /// An attempt whose record says another cost than the ledger.
    package struct PriceDifference: Sendable, Hashable {
        package let task: TaskID
        package let attempt: Int
        package let remoteID: RemoteTaskID
        package let account: AccountName
        package let recorded: Amount
        /// What the ledger counts; nil if no price told what the attempt costs.
        package let counted: Amount?
        /// Whether the ledger counts it as spent; else it is reserved.
        package let isSettled: Bool
    }

    /// How far one account's list was read.
    package struct List: Sendable, Hashable {
        /// The condition of a list.
        package enum Condition: String, Sendable, CaseIterable {
            /// It was read to its end.
            case read
            /// A part of it was read. It shows orphans, but no ghosts.
            case incomplete
            /// It could not be read.
            case unread
            /// The provider has no list for these services.
            case unlisted = "none"
        }

        package let provider: ProviderName
        /// Nil if the provider has no list.
        package let account: AccountName?
        package let services: [ServiceName]
        package let condition: Condition
        package let records: Int
    }

    /// Tasks and records from this time on were compared.
    package let since: Timestamp
    /// When the comparison began.
    package let began: Timestamp
    /// Whether the settings asked for it.
    package let isScheduled: Bool
    /// The number of records that tasks have.
    package var known = 0
    /// The number of records that may belong to tasks which were being sent.
    package var inFlight = 0
    package var orphans: [Orphan] = []
    package var ghosts: [Ghost] = []
    package var priceDifferences: [PriceDifference] = []
    /// The number of tasks about which the lists say nothing: sent too recently, before the oldest record that is
    /// listed, or by an account whose list was not read to its end.
    package var unjudged = 0
    package var lists: [List] = []

    /// Whether every list that exists was read to its end.
    package var isComplete: Bool { !lists.contains { $0.condition == .incomplete || $0.condition == .unread } }

    /// Whether lists and tasks agree.
    package var agrees: Bool { orphans.isEmpty && ghosts.isEmpty && priceDifferences.isEmpty }
}
