import Randomness
import Synchronization
import TaskTesting

/// A seeded random generator that several simulated tasks share. Only one task runs at a time, so the draws are
/// deterministic.
final class SharedRandom: Sendable {
    private let random: Mutex<SeededRandom>

    init(seed: UInt64) {
        random = Mutex(SeededRandom(seed: seed))
    }

    /// An integer in the range.
    func integer(in range: ClosedRange<Int>) -> Int { random.withLock { Int.random(in: range, using: &$0) } }

    /// True with this probability, in thousandths.
    func happens(_ perMille: Int) -> Bool { perMille > 0 && integer(in: 1...1_000) <= perMille }

    /// A random element; nil if there are none.
    func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[integer(in: 0...elements.count - 1)]
    }
}
