import Synchronization
import TaskEngine
import TaskModel

/// What comparisons of the provider's lists with the tasks have shown.
final class Comparisons: Sendable {
    /// A task that a comparison called a ghost, and when its lists were read, by the provider's clock.
    struct Ghost: Sendable {
        let remoteID: String
        let account: AccountName
        let began: Timestamp
    }

    private let state = Mutex<(ghosts: [Ghost], payments: Int)>(([], 0))

    /// Removes and returns the ghosts that were not checked yet.
    func takeGhosts() -> [Ghost] {
        state.withLock { state in
            defer { state.ghosts = [] }
            return state.ghosts
        }
    }

    /// The number of paid requests that comparisons have sent.
    var payments: Int { state.withLock { $0.payments } }

    func note(_ report: ReconcileReport, began: Timestamp) {
        state.withLock { state in
            state.ghosts += report.ghosts.map {
                Ghost(remoteID: $0.remoteID.text, account: $0.account, began: began)
            }
        }
    }

    func notePayment() { state.withLock { $0.payments += 1 } }
}
