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
    /// Numbers for a rule that may run twice and must come to the same.
    func drawn() -> DrawnRandom { DrawnRandom(state: draw { $0.next() }) }
}

/// Numbers that follow from one that was drawn, by SplitMix64 (https://prng.di.unimi.it/splitmix64.c).
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
