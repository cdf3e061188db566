import Synchronization
import TaskModel
package import TaskStore

/// A driver that fails when a test says so, and otherwise is the one behind it.
package final class FaultyDriver: DriverWrapper {
    /// The error for a call; nil passes it on.
    package typealias Fault = @Sendable (StoreCall) -> TaskStoreError?

    package let base: any StoreDriver
    private let fault = Mutex<Fault?>(nil)
    private let lateFault = Mutex<Fault?>(nil)
    private let found = Mutex<StorageCondition?>(nil)
    private let hook = Mutex<(@Sendable (StoreCall) async -> Void)?>(nil)

    /// Passes everything on, until told otherwise.
    package init(_ base: any StoreDriver) {
        self.base = base
    }

    /// Fails as the closure says from now on; nil ends it.
    package func fail(_ fault: Fault?) { self.fault.withLock { $0 = fault } }

    /// Fails the next calls that the closure picks, so many of them.
    package func fail(
        next count: Int, with error: TaskStoreError,
        where picks: @escaping @Sendable (StoreCall) -> Bool = { $0.isWrite }
    ) {
        let left = Counter(count)
        fail { call in picks(call) && left.take() ? error : nil }
    }

    /// Does the next write that the closure picks, and says then that nobody knows whether it is stored.
    package func forgetOutcome(where picks: @escaping @Sendable (StoreCall) -> Bool) {
        let left = Counter(1)
        lateFault.withLock { $0 = { call in picks(call) && left.take() ? .unknown : nil } }
    }

    /// What is said of the storage from now on; nil for the truth.
    package func find(_ condition: StorageCondition?) { found.withLock { $0 = condition } }

    /// Runs after events were stored and before the caller is told.
    package func afterApply(_ hook: (@Sendable (StoreCall) async -> Void)?) { self.hook.withLock { $0 = hook } }

    package func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        if let error = fault.withLock({ $0 })?(call) { throw error }
        let value = try await body()
        switch call {
        case .apply, .insert:
            await hook.withLock { $0 }?(call)
            if let error = lateFault.withLock({ $0 })?(call) { throw error }
        case .write, .read: break
        }
        return value
    }

    package func condition() async -> StorageCondition {
        if let condition = found.withLock({ $0 }) { return condition }
        return await base.condition()
    }
}

/// A number that only goes down.
private final class Counter: Sendable {
    private let left: Mutex<Int>

    init(_ count: Int) {
        left = Mutex(count)
    }

    func take() -> Bool {
        left.withLock { left in
            guard left > 0 else { return false }
            left -= 1
            return true
        }
    }
}
