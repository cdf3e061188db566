import ProviderCatalog
import TaskEngine
import TaskModel

/// Checks comparisons of the provider's lists with the tasks.
extension Audit {
    /// Checks that no new tracked task has the remote id that a task owned before.
    func checkTracked(since before: [DiskView.TaskLine]) throws {
        let known = Set(before.map(\.id))
        for row in tasks where row.attempts == 0 && row.remoteID != nil && !known.contains(row.id) {
            let owner = before.first { other in
                other.service == row.service && other.remoteID == row.remoteID
                    && other.failureCode != "remote_task_not_found"
                    && !(other.state == "cancelled" && other.attempts == 0)
            }
            if let owner {
                throw Violation(.orphansAreUnowned, "\(row.id) tracks \(row.remoteID ?? ""), which \(owner.id) owns")
            }
        }
    }

    /// Checks that comparisons paid nothing, and that each ghost was missing in the list that was read.
    func checkComparisons() throws {
        guard world.comparisons.payments == 0 else {
            throw Violation(.reconcilingIsFree, "a comparison sent a paid request")
        }
        // With a clock that was set, or at another base URL, the list shows something else.
        guard world.clock.jumps == 0, !world.wasMoved else { return }
        for ghost in world.comparisons.takeGhosts() {
            guard let record = world.truth.record(ghost.remoteID), record.listedFrom <= ghost.began,
                !record.isForgotten(at: world.clock.providerNow),
                record.user == world.accounts.user(of: ghost.account),
                !(world.habit == .hidesEdits && record.operation == "edit")
            else { continue }
            throw Violation(.ghostsAreMissing, "\(ghost.remoteID) is listed, and was called a ghost")
        }
    }
}
