import Synchronization

/// The random number generator of the engine. The system seeds it in the daemon, a number in tests.
package final class EngineRandom: Sendable {
    private let generator: Mutex<any RandomNumberGenerator & Sendable>

    /// Wraps a generator.
    package init(_ generator: some RandomNumberGenerator & Sendable) {
        self.generator = Mutex(generator)
    }

    /// Passes the generator to a rule that takes random numbers as an argument.
    package func draw<Value: Sendable>(_ body: (inout AnyGenerator) -> Value) -> Value {
        generator.withLock { generator in
            var lent = AnyGenerator(base: generator)
            defer { generator = lent.base }
            return body(&lent)
        }
    }

    /// A type-erased generator.
    package struct AnyGenerator: RandomNumberGenerator {
        fileprivate var base: any RandomNumberGenerator & Sendable

        package mutating func next() -> UInt64 { base.next() }
    }

    /// The name of a new epoch of the database.
    func epoch() -> String { String(draw { $0.next() }, radix: 16) }

    /// Creates a generator for a rule that may run twice and must give the same result.
    func drawn() -> DrawnRandom { DrawnRandom(state: draw { $0.next() }) }
}

/// A generator that is seeded with one drawn number, by SplitMix64 (https://prng.di.unimi.it/splitmix64.c).
struct DrawnRandom: RandomNumberGenerator, Sendable {
    fileprivate var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var number = state
        number = (number ^ (number >> 30)) &* 0xBF58_476D_1CE4_E5B9
        number = (number ^ (number >> 27)) &* 0x94D0_49BB_1331_11EB
        return number ^ (number >> 31)
    }
}
