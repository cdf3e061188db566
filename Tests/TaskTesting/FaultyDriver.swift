import Synchronization
import TaskModel
package import TaskStore

/// A driver that forwards to another one and injects faults.
package final class FaultyDriver: DriverWrapper {
    /// Returns the error for a call; nil forwards the call.
    package typealias Fault = @Sendable (StoreCall) -> TaskStoreError?

    package let base: any StoreDriver
    private let fault = Mutex<Fault?>(nil)
    private let lateFault = Mutex<Fault?>(nil)
    private let found = Mutex<StorageCondition?>(nil)
    private let hook = Mutex<(@Sendable (StoreCall) async -> Void)?>(nil)
    private let readHook = Mutex<(@Sendable (StoreCall) async -> Void)?>(nil)

    /// Forwards every call until a fault is injected.
    package init(_ base: any StoreDriver) {
        self.base = base
    }

    /// Fails calls with the errors of the closure from now on; nil ends the fault.
    package func fail(_ fault: Fault?) { self.fault.withLock { $0 = fault } }

    /// Fails the next `count` calls that the closure picks.
    package func fail(
        next count: Int, with error: TaskStoreError,
        where picks: @escaping @Sendable (StoreCall) -> Bool = { $0.isWrite }
    ) {
        let left = Counter(count)
        fail { call in picks(call) && left.take() ? error : nil }
    }

    /// Performs the next write that the closure picks, then reports its outcome as unknown.
    package func forgetOutcome(where picks: @escaping @Sendable (StoreCall) -> Bool) {
        let left = Counter(1)
        lateFault.withLock { $0 = { call in picks(call) && left.take() ? .unknown : nil } }
    }

    /// Reports this storage condition from now on; nil reports the real one.
    package func find(_ condition: StorageCondition?) { found.withLock { $0 = condition } }

    /// Runs the hook after a write and before it returns to the caller.
    package func afterApply(_ hook: (@Sendable (StoreCall) async -> Void)?) { self.hook.withLock { $0 = hook } }

    /// Runs the hook after a read and before it returns to the caller.
    package func afterRead(_ hook: (@Sendable (StoreCall) async -> Void)?) { readHook.withLock { $0 = hook } }

    package func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        if let error = fault.withLock({ $0 })?(call) { throw error }
        let value = try await body()
        switch call {
        case .apply, .insert:
            await hook.withLock { $0 }?(call)
            if let error = lateFault.withLock({ $0 })?(call) { throw error }
        case .read: await readHook.withLock { $0 }?(call)
        case .write: break
        }
        return value
    }

    package func condition() async -> StorageCondition {
        if let condition = found.withLock({ $0 }) { return condition }
        return await base.condition()
    }
}

/// A number that counts down to zero.
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
