import Randomness
import Synchronization
import TaskTesting

/// The dice that decide what goes wrong; shared, since only one player runs at a time.
final class Dice: Sendable {
    private let random: Mutex<SeededRandom>

    init(seed: UInt64) {
        random = Mutex(SeededRandom(seed: seed))
    }

    /// A whole number of the range.
    func roll(_ range: ClosedRange<Int>) -> Int { random.withLock { Int.random(in: range, using: &$0) } }

    /// Whether something of that probability happens, in thousandths.
    func happens(_ perMille: Int) -> Bool { perMille > 0 && roll(1...1_000) <= perMille }

    /// One of them; nil of none.
    func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[roll(0...elements.count - 1)]
    }
}
