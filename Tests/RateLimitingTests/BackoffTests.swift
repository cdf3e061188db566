import Randomness
import RateLimiting
import TaskModel
import TaskTesting
import Testing

@Suite struct BackoffTests {
    private let now = ManualTimeSource.start

    @Test(arguments: [UInt64(1), 7, 42])
    func `the wait doubles with each failure up to a limit, and is in the upper half of its range`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for (failures, bound) in [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (7, 60), (1_000, 60)] {
            for _ in 0..<50 {
                let wait = Backoff().retry(after: failures, at: now, retryAfter: nil, using: &random) - now
                #expect(wait <= .seconds(bound), "seed \(seed), \(failures) failures")
                #expect(wait >= .seconds(bound) / 2 - .milliseconds(1), "seed \(seed), \(failures) failures")
            }
        }
    }

    @Test(arguments: [0, -3])
    func `zero failures count as one`(failures: Int) {
        var random = SeededRandom(seed: 1)
        let wait = Backoff().retry(after: failures, at: now, retryAfter: nil, using: &random) - now
        #expect(wait <= .seconds(2) && wait > .zero)
    }

    @Test func `a longer Retry-After replaces the wait, up to a day`() {
        var random = SeededRandom(seed: 1)
        #expect(Backoff().retry(after: 1, at: now, retryAfter: .seconds(90), using: &random) == now + .seconds(90))
        #expect(Backoff().retry(after: 6, at: now, retryAfter: .seconds(1), using: &random) >= now + .seconds(29))
        #expect(
            Backoff().retry(after: 1, at: now, retryAfter: .seconds(1e12), using: &random) == now + .seconds(86_400))
    }

    @Test func `waits are random`() {
        var random = SeededRandom(seed: 1)
        let waits = (0..<50).map { _ in Backoff().retry(after: 5, at: now, retryAfter: nil, using: &random) }
        #expect(Set(waits).count > 40)
    }
}
