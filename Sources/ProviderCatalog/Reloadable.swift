import Synchronization

/// Holds a value that a reload replaces as a whole.
package final class Reloadable<Value: Sendable>: Sendable {
    private let snapshot: Mutex<Snapshot<Value>>

    package init(_ value: Value) {
        snapshot = Mutex(Snapshot(value, version: 0))
    }

    package var current: Value { whole.wrappedValue }

    /// Replaces the value. Work that has read the previous value finishes with it.
    package func replace(with value: Value) {
        snapshot.withLock { $0 = Snapshot(value, version: $0.version + 1) }
    }

    /// Reads a part of the current value.
    package func view<Part: Sendable>(_ part: @escaping @Sendable (Value) -> Part) -> Current<Part> {
        whole.view(part)
    }

    /// A number that grows with every replacement. Data read under two versions may belong to two accounts.
    package var version: Current<Int> { Current { Snapshot(of: self.latest.version) } }

    private var whole: Current<Value> { Current { self.latest } }

    private var latest: Snapshot<Value> { snapshot.withLock { $0 } }
}

/// A value between two replacements. Readers share it, since a copy of a large value costs more than most of its readers do.
private final class Snapshot<Value: Sendable>: Sendable {
    let value: Value
    let version: Int

    init(_ value: Value, version: Int) {
        self.value = value
        self.version = version
    }

    /// A version as a value.
    convenience init(of version: Int) where Value == Int {
        self.init(version, version: version)
    }
}

/// Reads a value that a reload may replace. Read it once per piece of work.
@propertyWrapper package struct Current<Value: Sendable>: Sendable {
    private let latest: @Sendable () -> Snapshot<Value>

    package var wrappedValue: Value { latest().value }

    fileprivate init(_ latest: @escaping @Sendable () -> Snapshot<Value>) {
        self.latest = latest
    }

    /// A value that never changes.
    package init(always value: Value) {
        let snapshot = Snapshot(value, version: 0)
        latest = { snapshot }
    }

    /// Reads a part of the value, which is computed once per replacement.
    package func view<Part: Sendable>(_ part: @escaping @Sendable (Value) -> Part) -> Current<Part> {
        let cache = PartCache(of: latest, part)
        return Current<Part> { cache.latest() }
    }
}

/// The part of the newest snapshot that was asked for.
private final class PartCache<Whole: Sendable, Part: Sendable>: Sendable {
    private let whole: @Sendable () -> Snapshot<Whole>
    private let part: @Sendable (Whole) -> Part
    private let newest = Mutex<Snapshot<Part>?>(nil)

    init(of whole: @escaping @Sendable () -> Snapshot<Whole>, _ part: @escaping @Sendable (Whole) -> Part) {
        self.whole = whole
        self.part = part
    }

    func latest() -> Snapshot<Part> {
        let whole = whole()
        if let known = newest.withLock({ $0 }), known.version == whole.version { return known }
        let snapshot = Snapshot(part(whole.value), version: whole.version)
        newest.withLock { if $0.map({ $0.version < snapshot.version }) ?? true { $0 = snapshot } }
        return snapshot
    }
}
