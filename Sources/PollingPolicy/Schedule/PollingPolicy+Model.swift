package import TaskModel

extension PollingPolicy {
    /// When to poll a task next, given how long tasks of its kind take.
    ///
    /// - Within `minGap` and `maxGap` from `now`, but never before `retryNotBefore`; longer for records that are not
    ///   understood. A jitter of 3 % spreads tasks that were submitted together and costs almost nothing.
    /// - `callbackReliability` is the probability `w` that a callback reports the end first, capped at 0.95. A call then costs
    ///   `1 / (1 - w)` times as much, because it can save only the rest of the latency.
    /// - `sharedBy` is the number of tasks that usually share one call. Each pays its part of the price.
    package func nextPoll(
        after history: PollHistory, model: DurationModel, now: Timestamp, callbackReliability: Double = 0,
        sharedBy sharing: Int = 1, using random: inout some RandomNumberGenerator
    ) -> Timestamp {
        let price = latencyPrice.inSeconds / (1 - callbackReliability.clamped(to: 0...0.95)) / Double(max(sharing, 1))
        let best = bestGap(after: history, model: model, now: now, price: price)
        let jittered = Duration.seconds(rounding: best * Double.random(in: 0.97...1.03, using: &random))
        let next = now + stretched(jittered.clamped(to: minGap...maxGap), by: history.unrecognisedInARow)
        return max(next, history.retryNotBefore ?? next)
    }

    /// The cheapest gap in seconds, before jitter.
    private func bestGap(after history: PollHistory, model: DurationModel, now: Timestamp, price: Double) -> Double {
        let age = history.age(at: now).inSeconds
        guard let progress = history.progress,
            let estimate = ProgressEstimate(progress, history: history, now: now)
        else { return bestGap(on: model.curve, at: age, price: price) }
        let mixed = estimate.curve(beside: model.curve, at: age, upTo: maxGap.inSeconds)
        return bestGap(on: mixed, at: 0, price: price)
    }

    /// The gap after which polling costs least, for a task of that age.
    ///
    /// With hazard `h` and price `c` Keller's gap is `sqrt(2c / h)` (J. B. Keller, "Optimum checking schedules for systems
    /// subject to random failure", Management Science 21, 1974). It is exact if `h` is constant within a gap. Before the
    /// typical time it is not. So this computes the cost of the first gap exactly, and uses Keller's rule for the rest.
    /// That is one step of policy improvement (R. A. Howard, "Dynamic programming and Markov processes", 1960):
    ///
    ///     J(x) = latency until x + S(x) · V(x),  V(x) = the cost from x on, ∫ sqrt(2c h) S du / S(x) + 2c / 3
    ///     J'(x) = 1 - S(x) · k,                  k = 1 + sqrt(2c h(x)) + 2/3 c h(x)
    ///
    /// `S` is the share still running at `x` of those that run now. (The `2c / 3` is the next term of the exact solution
    /// for constant `h`, which satisfies `e^y - 1 - y = c h` with `y = h · gap`; R. E. Barlow, L. C. Hunter, F. Proschan,
    /// "Optimum checking procedures", 1963.) The cost can have several local minima. One is early, from a small probability
    /// of an early end, and one is where the hazard rises. So this checks all pieces of the curve and keeps the lowest.
    func bestGap(on curve: PiecewiseHazard, at age: Double, price: Double) -> Double {
        let earliest = age + minGap.inSeconds
        let latest = age + maxGap.inSeconds
        var piece = curve.piece(at: age)
        var x = age
        var running = 1.0
        var cost = 0.0
        var best = (cost: Double.infinity, age: earliest)
        while x < latest {
            let isLast = piece + 1 == curve.knots.count
            let end = isLast ? latest : min(curve.knots[piece + 1], latest)
            let hazard = curve.hazards[piece]
            let k = 1 + (2 * price * hazard).squareRoot() + 2 / 3 * price * hazard
            func costOfWaiting(_ width: Double) -> Double {
                width + running * k * exponentialMinusOne(-hazard * width) / hazard
            }
            let left = exponential(-hazard * (end - x))
            if end >= earliest {
                // Where the share still running falls to 1 / k, if that happens within this piece.
                var turn = x
                if running * left * k >= 1 {
                    turn = end
                } else if running * k > 1 {
                    turn = x + logarithm(running * k) / hazard
                }
                turn = max(turn, earliest)
                let total = cost + costOfWaiting(turn - x)
                if total < best.cost { best = (total, turn) }
            }
            cost += costOfWaiting(end - x)
            running *= left
            // From here on the cost only grows, since almost no task is left that could end.
            if running < 1e-3, cost > best.cost { break }
            x = end
            piece += 1
        }
        return best.age - age
    }

    /// The expected latency that a poll now saves, in seconds times a constant: `h · gap²`.
    ///
    /// `sinceLastPoll` is the task's age if it was never polled. When calls are scarce, the task with the highest priority
    /// goes first. It grows with the gap, so that every task gets its turn.
    package func priority(age: Duration, sinceLastPoll: Duration, model: DurationModel) -> Double {
        let gap = sinceLastPoll.inSeconds.clamped(to: 0...1e7)
        return model.hazard(at: max(age, .zero)) * gap * gap
    }
}
