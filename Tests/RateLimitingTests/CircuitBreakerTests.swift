import Randomness
import RateLimiting
import TaskModel
import TaskTesting
import Testing

@Suite struct CircuitBreakerTests {
    private let start = ManualTimeSource.start
    private let backoff = Backoff()

    private func failing(
        _ times: Int, tolerated: Int = 0, retryAfter: Duration? = nil, from breaker: CircuitBreaker = CircuitBreaker()
    ) -> CircuitBreaker {
        var random = SeededRandom(seed: 1)
        var breaker = breaker
        for _ in 0..<times {
            breaker.failed(
                at: max(start, breaker.openUntil ?? start), retryAfter: retryAfter, tolerated: tolerated,
                backoff: backoff, using: &random)
        }
        return breaker
    }

    @Test func `the breaker opens at the first failure and half opens at the fifth`() {
        #expect(failing(1).openUntil.map { $0 - start <= .seconds(2) } == true)
        #expect(failing(1).isOpen(at: start) && !failing(1).isOpen(at: start + .seconds(2)))
        #expect(failing(4).isHalfOpen == false)
        #expect(failing(5).isHalfOpen)
    }

    @Test func `tolerated failures count but do not open the breaker`() {
        let two = failing(2, tolerated: 2)
        #expect(two.failures == 2 && !two.isOpen(at: start))
        let three = failing(3, tolerated: 2)
        // The first failure that is not tolerated opens it for the shortest time.
        #expect(three.openUntil.map { $0 - start <= .seconds(2) } == true)
    }

    @Test func `Retry-After decides the open time, also of a tolerated failure, up to a day`() {
        #expect(failing(1, retryAfter: .seconds(300)).openUntil == start + .seconds(300))
        #expect(failing(1, tolerated: 2, retryAfter: .seconds(300)).openUntil == start + .seconds(300))
        #expect(failing(1, retryAfter: .seconds(1e9)).openUntil == start + .seconds(86_400))
    }

    @Test func `replies to requests sent before the breaker opened neither close it nor count as failures`() {
        var random = SeededRandom(seed: 1)
        var breaker = failing(1)
        let opened = breaker
        breaker.succeeded(at: start)
        breaker.failed(at: start, backoff: backoff, using: &random)
        #expect(breaker == opened)
        breaker.failed(at: start, retryAfter: .seconds(90), backoff: backoff, using: &random)
        #expect(breaker.failures == 1 && breaker.openUntil == start + .seconds(90))
    }

    @Test func `a success after the open time closes the breaker`() {
        var breaker = failing(7)
        breaker.succeeded(at: breaker.openUntil ?? start)
        #expect(breaker == CircuitBreaker())
    }

    @Test func `a clock change moves the open time`() {
        var breaker = failing(1, retryAfter: .seconds(10))
        breaker.move(by: .seconds(-3_600))
        #expect(breaker.openUntil == start - .seconds(3_590))
    }
}
