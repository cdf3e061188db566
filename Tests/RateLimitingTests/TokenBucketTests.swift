import Randomness
import RateLimiting
import TaskModel
import TaskTesting
import Testing

@Suite struct TokenBucketTests {
    private let start = ManualTimeSource.start

    @Test func `a bucket starts full and refills at its rate`() {
        var bucket = TokenBucket(rate: 10, capacity: 5, at: start)
        func take(_ now: Timestamp) -> Bool { bucket.take(at: now) }
        let taken = (0..<8).map { _ in take(start) }
        #expect(taken == [true, true, true, true, true, false, false, false])
        #expect(bucket.nextToken(at: start) == start + .milliseconds(100))
        #expect(!take(start + .milliseconds(99)))
        #expect(take(start + .milliseconds(100)))
    }

    @Test(arguments: [UInt64(1), 7, 42])
    func `at most the rate plus the burst is taken in any second`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var bucket = TokenBucket(rate: 10, capacity: 3, at: start)
        func take(_ now: Timestamp) -> Bool { bucket.take(at: now) }
        var taken: [Timestamp] = []
        var now = start
        for _ in 0..<3_000 {
            now = now + .milliseconds(Int.random(in: 0...60, using: &random))
            if take(now) { taken.append(now) }
        }
        for (place, first) in taken.enumerated() {
            let within = taken[place...].prefix { $0 - first < .seconds(1) }.count
            #expect(within <= 13, "seed \(seed)")
        }
        #expect(Double(taken.count) > (now - start).inSeconds * 9.5)
    }

    @Test func `a clock set back does not stop the bucket, and one set forward only fills it`() {
        var bucket = TokenBucket(rate: 10, capacity: 2, at: start)
        func take(_ now: Timestamp) -> Bool { bucket.take(at: now) }
        #expect(take(start) && take(start))
        #expect(!take(start - .seconds(3_600)))
        #expect(take(start - .milliseconds(3_599_900)))
        #expect(bucket.available(at: start + .seconds(3_600)) == 2)
    }

    @Test func `a new rate applies at once`() {
        var bucket = TokenBucket(rate: 10, capacity: 1, at: start)
        func take(_ now: Timestamp) -> Bool { bucket.take(at: now) }
        #expect(take(start))
        bucket.setRate(1, at: start)
        #expect(bucket.nextToken(at: start) == start + .seconds(1))
    }
}
