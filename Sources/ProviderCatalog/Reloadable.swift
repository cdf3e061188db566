import Synchronization

/// Holds a value that a reload replaces as a whole.
package final class Reloadable<Value: Sendable>: Sendable {
    /// Readers share it, so reading a part of a large value copies only that part.
    private final class Snapshot: Sendable {
        let value: Value
        let version: Int

        init(_ value: Value, version: Int) {
            self.value = value
            self.version = version
        }
    }

    private let snapshot: Mutex<Snapshot>

    package init(_ value: Value) {
        snapshot = Mutex(Snapshot(value, version: 0))
    }

    package var current: Value { latest.value }

    /// Replaces the value. Work that has read the previous value finishes with it.
    package func replace(with value: Value) {
        snapshot.withLock { $0 = Snapshot(value, version: $0.version + 1) }
    }

    /// Reads a part of the current value.
    package func view<Part: Sendable>(_ part: @escaping @Sendable (Value) -> Part) -> Current<Part> {
        Current { part(self.latest.value) }
    }

    /// A number that grows with every replacement. Data read under two versions may belong to two accounts.
    package var version: Current<Int> { Current { self.latest.version } }

    private var latest: Snapshot { snapshot.withLock { $0 } }
}

/// Reads a value that a reload may replace. Read it once per piece of work.
@propertyWrapper package struct Current<Value: Sendable>: Sendable {
    private let read: @Sendable () -> Value

    package var wrappedValue: Value { read() }

    init(_ read: @escaping @Sendable () -> Value) {
        self.read = read
    }

    /// A value that never changes.
    package init(always value: Value) {
        read = { value }
    }

    /// Reads a part of the value.
    package func view<Part: Sendable>(_ part: @escaping @Sendable (Value) -> Part) -> Current<Part> {
        Current<Part> { [read] in part(read()) }
    }
}
