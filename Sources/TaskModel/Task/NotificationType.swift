/// What a notification is about.
package enum NotificationType: Sendable, Hashable, CaseIterable {
    /// A task came into that state.
    case state(TaskState)
    /// The provider has accepted another attempt than the one that counts, and the task keeps its state.
    case lateRecord
    /// A file of a result is on disk.
    case resultSaved
    /// A file of a result is not fetched, since there is no room for it.
    case resultWaiting
    /// The providers' lists were compared with the tasks. It is about no task.
    case reconcileFinished
    /// The limit of a budget is near, or is reached.
    case budgetWarning
    case budgetExceeded

    package static let allCases: [NotificationType] =
        TaskState.allCases.map { .state($0) } + [
            .lateRecord, .resultSaved, .resultWaiting, .reconcileFinished, .budgetWarning, .budgetExceeded,
        ]

    /// The default types of a destination: outcomes, tasks whose acceptance is unknown, and budgets.
    package static let usual = Set(
        TaskState.allCases.filter { $0.hasEnded || $0 == .uncertain }.map { Self.state($0) }
            + [.budgetWarning, .budgetExceeded])

    /// The type of a notification about a line of a task's log; nil if there is none about it.
    package init?(_ entry: TaskLogEntry) {
        if entry.from != entry.to {
            self = .state(entry.to)
            return
        }
        switch entry.kind {
        case "late_record": self = .lateRecord
        case "result_saved": self = .resultSaved
        case "result_waiting": self = .resultWaiting
        case "budget_warning": self = .budgetWarning
        case "budget_exceeded": self = .budgetExceeded
        default: return nil
        }
    }

    /// Reads the word of the contract; nil for any other.
    package init?(_ text: String) {
        guard let type = Self.allCases.first(where: { $0.text == text }) else { return nil }
        self = type
    }

    /// The word of the contract: `task.succeeded`.
    package var text: String {
        switch self {
        case .state(let state): "task.\(state.rawValue)"
        case .lateRecord: "task.late_record"
        case .resultSaved: "task.result_saved"
        case .resultWaiting: "task.result_waiting"
        case .reconcileFinished: "reconcile.finished"
        case .budgetWarning: "budget.warning"
        case .budgetExceeded: "budget.exceeded"
        }
    }
}
