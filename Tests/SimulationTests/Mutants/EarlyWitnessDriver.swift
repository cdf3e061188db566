import Synchronization
import TaskModel
import TaskStore
import TaskTesting

/// A store that writes the witness before the commit that starts an attempt, not after it.
struct EarlyWitnessDriver: DriverWrapper {
    let base: any StoreDriver
    let witness: SimulatedWitness

    func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        if call.kinds == ["submission_started"] {
            let latest = try await base.read(for: .read("latestEvent"), .statement) { try $0.latestEvent().sequence }
            witness.statement.withLock { $0?.sequence = latest + 1 }
        }
        return try await body()
    }
}
