import RateLimiting
import Synchronization
import TaskModel

/// How many requests a provider gets per second: one bucket for all kinds, and a slower one for whoever was told "too many".
///
/// Counts by the clock that nobody sets. Says nothing about when a task is asked for, nor about failed requests: those are
/// the schedule's and the gates' business.
final class CallBudget: Sendable {
    /// What shares a slower rate once the provider has said "too many": an endpoint's submissions, or a service's queries.
    enum Lane: Sendable, Hashable {
        case submissions(String)
        case queries(String)

        var isSubmission: Bool { if case .submissions = self { true } else { false } }
    }

    private struct Account {
        var bucket: TokenBucket
        /// Until when somebody of each kind is taken to wait for a token.
        var submissionWaits: Timestamp?
        var queryWaits: Timestamp?
        var submissionsInARow = 0
    }

    private struct Throttle {
        var rate: AIMDRate
        var bucket: TokenBucket
    }

    private struct State {
        var accounts: [String: Account] = [:]
        var throttles: [Lane: Throttle] = [:]
    }

    private let state = Mutex(State())
    private let time: any TimeSource
    private let start: Timestamp

    /// Submissions go first, but after so many of them a query that waits gets its turn.
    static let submissionsPerQuery = 3
    /// What leaves evenly does not arrive evenly: a twentieth of the rate stays free, so that no second sees more than it.
    static let use = 0.95

    init(_ time: any TimeSource) {
        self.time = time
        start = Timestamp(milliseconds: time.elapsed().wholeMilliseconds)
    }

    /// Takes a token, or says by the wall clock when to ask again. A nil rate does not bound.
    func reserve(_ lane: Lane, of provider: String, perSecond rate: Double?) -> Timestamp? {
        guard let rate, rate > 0 else { return nil }
        let now = Timestamp(milliseconds: time.elapsed().wholeMilliseconds)
        let slot = state.withLock { state -> Timestamp? in
            var account = state.accounts[provider] ?? Account(bucket: Self.bucket(rate: rate, since: start))
            defer { state.accounts[provider] = account }
            let turn = max(
                state.throttles[lane]?.bucket.nextToken(at: now) ?? now, account.bucket.nextToken(at: now))
            // Long enough to come back for the token, short enough not to keep one for somebody who has gone.
            let patience = max(Duration.seconds(rounding: 1 / rate), .milliseconds(50))
            if turn > now {
                if lane.isSubmission {
                    account.submissionWaits = turn + patience
                } else {
                    account.queryWaits = turn + patience
                }
                return turn
            }
            let queriesAreDue = account.submissionsInARow >= Self.submissionsPerQuery
            let isOthersTurn =
                lane.isSubmission
                ? queriesAreDue && account.queryWaits.map { $0 > now } ?? false
                : !queriesAreDue && account.submissionWaits.map { $0 > now } ?? false
            if isOthersTurn {
                if lane.isSubmission {
                    account.submissionWaits = now + patience * 2
                } else {
                    account.queryWaits = now + patience * 2
                }
                return now + max(patience / 2, .milliseconds(5))
            }
            _ = account.bucket.take(at: now)
            _ = state.throttles[lane]?.bucket.take(at: now)
            if lane.isSubmission {
                account.submissionsInARow += 1
                account.submissionWaits = nil
            } else {
                account.submissionsInARow = 0
                account.queryWaits = nil
            }
            return nil
        }
        return slot.map { time.now() + ($0 - now) }
    }

    /// How many requests could go now at most; nil for no bound.
    func available(of provider: String, perSecond rate: Double?) -> Int? {
        guard let rate, rate > 0 else { return nil }
        let now = Timestamp(milliseconds: time.elapsed().wholeMilliseconds)
        return state.withLock { state in
            var account = state.accounts[provider] ?? Account(bucket: Self.bucket(rate: rate, since: start))
            defer { state.accounts[provider] = account }
            return account.bucket.available(at: now)
        }
    }

    /// The provider said "too many": the lane slows to half.
    func throttled(_ lane: Lane, perSecond rate: Double?) {
        guard let rate, rate > 0 else { return }
        let now = Timestamp(milliseconds: time.elapsed().wholeMilliseconds)
        state.withLock { state in
            var throttle =
                state.throttles[lane]
                ?? Throttle(
                    rate: AIMDRate(ceiling: rate * Self.use, at: now),
                    bucket: TokenBucket(rate: rate * Self.use, capacity: 1, at: now))
            throttle.rate.throttled(at: now)
            throttle.bucket.setRate(throttle.rate.rate, at: now)
            state.throttles[lane] = throttle
        }
    }

    /// The provider answered: a lane that was slowed gets a little faster, up to where it began.
    func succeeded(_ lane: Lane) {
        let now = Timestamp(milliseconds: time.elapsed().wholeMilliseconds)
        state.withLock { state in
            guard var throttle = state.throttles[lane] else { return }
            throttle.rate.succeeded(at: now)
            throttle.bucket.setRate(throttle.rate.rate, at: now)
            state.throttles[lane] = throttle.rate.rate < throttle.rate.ceiling ? throttle : nil
        }
    }

    /// Holds a hundredth of a second's worth, and fills so much slower that no second sees more than the rate. It begins
    /// without a token, since another daemon may have spent the last second's.
    private static func bucket(rate: Double, since start: Timestamp) -> TokenBucket {
        let capacity = max(1, (rate / 100).rounded(.down))
        var bucket = TokenBucket(rate: max(rate * use - capacity + 1, rate / 2), capacity: capacity, at: start)
        if capacity == 1 { _ = bucket.take(at: start) }
        return bucket
    }
}
