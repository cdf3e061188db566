import Synchronization

/// The engine's dice, seeded from outside: by the system in the daemon, by a number in tests.
package final class EngineRandom: Sendable {
    private let generator: Mutex<any RandomNumberGenerator & Sendable>

    /// Takes the generator that everything random comes from.
    package init(_ generator: some RandomNumberGenerator & Sendable) {
        self.generator = Mutex(generator)
    }

    /// Lends the generator to a rule that takes chance as an argument.
    package func draw<Value: Sendable>(_ body: (inout AnyGenerator) -> Value) -> Value {
        generator.withLock { generator in
            var lent = AnyGenerator(base: generator)
            defer { generator = lent.base }
            return body(&lent)
        }
    }

    /// A generator whose kind is not known here.
    package struct AnyGenerator: RandomNumberGenerator {
        fileprivate var base: any RandomNumberGenerator & Sendable

        package mutating func next() -> UInt64 { base.next() }
    }
}
