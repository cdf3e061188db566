import RateLimiting
import Synchronization
import TaskModel

/// Limits the requests of an account to a provider per second. All requests share one token bucket, and each throttled
/// class has a slower one.
///
/// It uses the monotonic clock. The schedule decides when a task is polled, and ``CircuitBreakers`` handle failures.
final class ProviderRateLimiter: Sendable {
    /// Requests of an account that are throttled together: an endpoint's submissions, or a service's queries.
    enum TrafficClass: Sendable, Hashable {
        case submissions(EndpointName, AccountName)
        case queries(AccountService)

        fileprivate var isSubmission: Bool { if case .submissions = self { true } else { false } }
    }

    private struct Usage {
        var bucket: TokenBucket
        /// The time until which a submission is assumed to wait for a token; the same for a query.
        var submissionWaits: Timestamp?
        var queryWaits: Timestamp?
        var submissionsInARow = 0

        /// Records that a request waits until then.
        mutating func wait(_ isSubmission: Bool, until point: Timestamp?) {
            if isSubmission { submissionWaits = point } else { queryWaits = point }
        }

        /// Whether the other kind goes first. Submissions go first, but every fourth call is a query.
        func yields(_ isSubmission: Bool, at now: Timestamp) -> Bool {
            let isQuerysTurn = submissionsInARow >= ProviderRateLimiter.submissionsPerQuery
            let others = isSubmission ? queryWaits : submissionWaits
            return isQuerysTurn == isSubmission && others.map { $0 > now } ?? false
        }
    }

    private struct Throttle {
        var rate: AIMDRate
        var bucket: TokenBucket
    }

    private struct State {
        var accounts: [ProviderAccount: Usage] = [:]
        var throttles: [TrafficClass: Throttle] = [:]
    }

    private let state = Mutex(State())
    private let time: any TimeSource
    private let start: Timestamp

    /// After this many submissions in a row, a waiting query goes first.
    private static let submissionsPerQuery = 3
    /// Requests that are sent evenly do not arrive evenly. A twentieth of the rate stays unused, so that no second
    /// exceeds the rate.
    private static let use = 0.95

    init(_ time: any TimeSource) {
        self.time = time
        start = Timestamp(milliseconds: time.elapsed().wholeMilliseconds)
    }

    /// Takes a token, or returns the wall-clock time of the next try. A nil rate has no limit.
    func reserve(_ traffic: TrafficClass, of owner: ProviderAccount, perSecond rate: Double?) -> Timestamp? {
        guard let rate, rate > 0 else { return nil }
        let now = monotonicNow
        let slot = state.withLock { state -> Timestamp? in
            var account = state.accounts[owner] ?? Usage(bucket: Self.bucket(rate: rate, since: start))
            defer { state.accounts[owner] = account }
            let next = max(
                state.throttles[traffic]?.bucket.nextToken(at: now) ?? now, account.bucket.nextToken(at: now))
            // Long enough for the caller to return, short enough to hold no token for a caller that does not.
            let patience = max(Duration.seconds(rounding: 1 / rate), .milliseconds(50))
            if next > now {
                account.wait(traffic.isSubmission, until: next + patience)
                return next
            }
            if account.yields(traffic.isSubmission, at: now) {
                account.wait(traffic.isSubmission, until: now + patience * 2)
                return now + max(patience / 2, .milliseconds(5))
            }
            _ = account.bucket.take(at: now)
            _ = state.throttles[traffic]?.bucket.take(at: now)
            account.submissionsInARow = traffic.isSubmission ? account.submissionsInARow + 1 : 0
            account.wait(traffic.isSubmission, until: nil)
            return nil
        }
        return slot.map { time.now() + ($0 - now) }
    }

    /// How many requests may go now at most; nil for no limit.
    func available(of owner: ProviderAccount, perSecond rate: Double?) -> Int? {
        guard let rate, rate > 0 else { return nil }
        return state.withLock { state in
            var account = state.accounts[owner] ?? Usage(bucket: Self.bucket(rate: rate, since: start))
            defer { state.accounts[owner] = account }
            return account.bucket.available(at: monotonicNow)
        }
    }

    /// Halves the rate of the class after a throttled reply.
    func throttled(_ traffic: TrafficClass, perSecond rate: Double?) {
        guard let rate, rate > 0 else { return }
        let now = monotonicNow
        state.withLock { state in
            var throttle =
                state.throttles[traffic]
                ?? Throttle(
                    rate: AIMDRate(ceiling: rate * Self.use, at: now),
                    bucket: TokenBucket(rate: rate * Self.use, capacity: 1, at: now))
            throttle.rate.throttled(at: now)
            throttle.bucket.setRate(throttle.rate.rate, at: now)
            state.throttles[traffic] = throttle
        }
    }

    /// Raises the rate of a throttled class a little after any other reply, up to its initial value.
    func succeeded(_ traffic: TrafficClass) {
        let now = monotonicNow
        state.withLock { state in
            guard var throttle = state.throttles[traffic] else { return }
            throttle.rate.succeeded(at: now)
            throttle.bucket.setRate(throttle.rate.rate, at: now)
            state.throttles[traffic] = throttle.rate.rate < throttle.rate.ceiling ? throttle : nil
        }
    }

    private var monotonicNow: Timestamp { Timestamp(milliseconds: time.elapsed().wholeMilliseconds) }

    /// A bucket with a hundredth of a second's requests. It fills slightly slower than the rate, so that no second
    /// exceeds the rate.
    ///
    /// It starts without a token, because another daemon may have used those of the last second.
    private static func bucket(rate: Double, since start: Timestamp) -> TokenBucket {
        let capacity = max(1, (rate / 100).rounded(.down))
        var bucket = TokenBucket(rate: max(rate * use - capacity + 1, rate / 2), capacity: capacity, at: start)
        if capacity == 1 { _ = bucket.take(at: start) }
        return bucket
    }
}
