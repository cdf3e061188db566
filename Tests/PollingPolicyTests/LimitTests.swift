import PollingPolicy
import TaskModel
import TaskTesting
import Testing

@Suite struct TokenBucketTests {
    private let start = ManualTimeSource.start

    @Test func `it holds what may go at once, then fills at its rate`() {
        var bucket = TokenBucket(rate: 10, capacity: 5, at: start)
        func take(_ now: Timestamp) -> Bool { bucket.take(at: now) }
        let taken = (0..<8).map { _ in take(start) }
        #expect(taken == [true, true, true, true, true, false, false, false])
        #expect(bucket.nextToken(at: start) == start + .milliseconds(100))
        #expect(!take(start + .milliseconds(99)))
        #expect(take(start + .milliseconds(100)))
    }

    @Test(arguments: [UInt64(1), 7, 42])
    func `in no stretch of time do more go than the rate and the burst`(seed: UInt64) {
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

    @Test func `a clock set back stops nobody, one set forward fills the bucket and no more`() {
        var bucket = TokenBucket(rate: 10, capacity: 2, at: start)
        func take(_ now: Timestamp) -> Bool { bucket.take(at: now) }
        #expect(take(start) && take(start))
        #expect(!take(start - .seconds(3_600)))
        #expect(take(start - .milliseconds(3_599_900)))
        #expect(bucket.available(at: start + .seconds(3_600)) == 2)
    }

    @Test func `a new rate counts from now on`() {
        var bucket = TokenBucket(rate: 10, capacity: 1, at: start)
        func take(_ now: Timestamp) -> Bool { bucket.take(at: now) }
        #expect(take(start))
        bucket.setRate(1, at: start)
        #expect(bucket.nextToken(at: start) == start + .seconds(1))
    }
}

@Suite struct AIMDRateTests {
    private let start = ManualTimeSource.start

    @Test func `each refusal halves it, those of one second count once`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        rate.throttled(at: start)
        rate.throttled(at: start + .milliseconds(400))
        #expect(rate.rate == 4)
        rate.throttled(at: start + .seconds(2))
        #expect(rate.rate == 2)
    }

    @Test func `it grows back in about a minute of answers, never beyond the ceiling`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        rate.throttled(at: start)
        for second in 1...20 { rate.succeeded(at: start + .seconds(second)) }
        #expect(rate.rate > 4 && rate.rate < 8)
        for second in 21...90 { rate.succeeded(at: start + .seconds(second)) }
        #expect(rate.rate == 8)
    }

    @Test func `silence earns nothing`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        rate.throttled(at: start)
        rate.succeeded(at: start + .seconds(3_600))
        #expect(rate.rate < 4.2)
    }

    @Test func `it never falls to nothing`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        for second in 0..<100 { rate.throttled(at: start + .seconds(2 * second)) }
        #expect(rate.rate == rate.floor && rate.floor > 0)
    }

    @Test func `Retry-After is a floor that a later shorter one does not lower`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        rate.throttled(at: start, retryAfter: .seconds(60))
        rate.throttled(at: start + .seconds(1), retryAfter: .seconds(2))
        #expect(rate.opens(at: start + .seconds(5)) == start + .seconds(60))
        #expect(rate.opens(at: start + .seconds(70)) == start + .seconds(70))
    }
}

@Suite struct CircuitBreakerTests {
    private let start = ManualTimeSource.start

    private func opened(using random: inout SeededRandom) -> CircuitBreaker {
        var breaker = CircuitBreaker(threshold: 3)
        for _ in 0..<3 { breaker.failed(at: start, using: &random) }
        return breaker
    }

    @Test func `failures in a row open it, a success in between does not count them on`() {
        var random = SeededRandom(seed: 1)
        var breaker = CircuitBreaker(threshold: 3)
        func permits(_ now: Timestamp) -> Bool { breaker.permits(at: now) }
        for _ in 0..<5 {
            breaker.failed(at: start, using: &random)
            breaker.failed(at: start, using: &random)
            breaker.succeeded()
        }
        #expect(permits(start))
        breaker = opened(using: &random)
        #expect(!permits(start))
        #expect(breaker.opens(at: start) > start)
    }

    @Test func `half open it lets one call through, which decides`() {
        var random = SeededRandom(seed: 1)
        var breaker = opened(using: &random)
        func permits(_ now: Timestamp) -> Bool { breaker.permits(at: now) }
        let then = breaker.opens(at: start)
        #expect(permits(then) && !permits(then) && !permits(then + .seconds(1)))
        breaker.failed(at: then, using: &random)
        #expect(!permits(then) && breaker.trips == 2)
        let later = breaker.opens(at: then)
        #expect(permits(later))
        breaker.succeeded()
        #expect(permits(later) && permits(later) && breaker.trips == 0)
    }

    @Test func `a call whose end nobody reported does not keep it shut`() {
        var random = SeededRandom(seed: 1)
        var breaker = opened(using: &random)
        func permits(_ now: Timestamp) -> Bool { breaker.permits(at: now) }
        let then = breaker.opens(at: start)
        #expect(permits(then))
        #expect(permits(then + breaker.patience))
    }

    @Test func `answers from before it opened change nothing`() {
        var random = SeededRandom(seed: 1)
        var breaker = opened(using: &random)
        let state = breaker.state
        breaker.succeeded()
        breaker.failed(at: start + .seconds(1), using: &random)
        #expect(breaker.state == state && breaker.trips == 1)
    }

    @Test func `Retry-After is obeyed`() {
        var random = SeededRandom(seed: 1)
        var breaker = CircuitBreaker(threshold: 1)
        breaker.failed(at: start, retryAfter: .seconds(300), using: &random)
        #expect(breaker.opens(at: start) == start + .seconds(300))
    }
}
