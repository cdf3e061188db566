import TaskModel

/// A task that a batch query could include.
package struct BatchCandidate: Sendable {
    /// How old it is.
    package let age: Duration
    /// How long ago it was polled; its age if never.
    package let sinceLastPoll: Duration
    /// How long tasks of its kind take.
    package let model: DurationModel
    /// The share of its latency that counts: the probability that no callback reports its end first.
    package let weight: Double
    /// Whether a callback reported something that only a poll can confirm.
    package let isExpected: Bool

    /// A candidate; `callbackReliability` counts up to 0.95.
    package init(
        age: Duration, sinceLastPoll: Duration, model: DurationModel, callbackReliability: Double = 0,
        isExpected: Bool = false
    ) {
        weight = 1 - callbackReliability.clamped(to: 0...0.95)
        self.isExpected = isExpected
        self.age = max(age, .zero)
        self.sinceLastPoll = sinceLastPoll.clamped(to: .zero...self.age)
        self.model = model
    }

    /// The probability that it has ended since its last poll, and the probability per second to end then, after `wait`.
    fileprivate func estimate(after wait: Double) -> (ended: Double, ending: Double) {
        let age = age.inSeconds
        let curve = model.curve
        let at = age + wait
        let piece = curve.piece(at: at)
        let total = curve.cumulated[piece] + curve.hazards[piece] * (at - curve.knots[piece])
        let ended = -exponentialMinusOne(curve.cumulatedHazard(at: age - sinceLastPoll.inSeconds) - total)
        return (ended, (1 - ended) * curve.hazards[piece])
    }
}

extension PollingPolicy {
    /// How many tasks one batch query includes by default.
    package static let tasksPerBatch = 50

    /// How long to wait before a batch query for these tasks, or for the best `limit` of them.
    ///
    /// This is the rule for single tasks with summed hazards. A second of waiting costs as many seconds of latency as
    /// tasks are expected to have ended unseen. It saves `sqrt(2c Σh)` of calls (Keller). So the batch is due when
    ///
    ///     Σ (1 - Sᵢ) ≥ sqrt(2c Σ hᵢ Sᵢ)
    ///
    /// Reliable callbacks lower a task's weight, as for single tasks. For many tasks of constant hazard the gap is again
    /// `sqrt(2c / Σh)`. It lies within `minGap` and `maxGap` after the oldest last poll among them; zero if that has
    /// passed. A single task follows ``nextPoll(after:model:now:callbackReliability:sharedBy:using:)``.
    package func nextBatch(of members: [BatchCandidate], limit: Int = PollingPolicy.tasksPerBatch) -> Duration {
        let chosen = selection(of: members, limit: limit).map { members[$0] }
        guard let longest = chosen.map(\.sinceLastPoll).max() else { return maxGap }
        if chosen.count == 1 {
            let age = chosen[0].age - chosen[0].sinceLastPoll
            let price = latencyPrice.inSeconds / chosen[0].weight
            let gap = bestGap(on: chosen[0].model.curve, at: age.inSeconds, price: price)
            return max(.seconds(rounding: gap) - longest, .zero)
        }
        let earliest = max(minGap - longest, .zero).inSeconds
        let latest = max(maxGap - longest, .zero).inSeconds
        func isDue(after wait: Double) -> Bool {
            var ended = 0.0
            var ending = 0.0
            for member in chosen {
                let estimate = member.estimate(after: wait)
                ended += estimate.ended * member.weight
                ending += estimate.ending * member.weight
            }
            return ended >= (2 * latencyPrice.inSeconds * ending).squareRoot()
        }
        // Growing steps find the interval, bisection finds the moment to one per cent.
        var low = earliest
        guard low < latest, !isDue(after: low) else { return .seconds(rounding: low) }
        var high = low
        repeat {
            low = high
            high = min(high + max(0.2 * (high + longest.inSeconds), 0.05), latest)
        } while high < latest && !isDue(after: high)
        while high - low > 0.01 * high + 0.005 {
            let middle = (low + high) / 2
            if isDue(after: middle) { high = middle } else { low = middle }
        }
        return .seconds(rounding: high)
    }

    /// The indices of the tasks for a batch query now: those most likely to have ended since their last poll.
    ///
    /// A call for one task costs as much as a call for fifty, so the batch is filled.
    package func selection(of members: [BatchCandidate], limit: Int = PollingPolicy.tasksPerBatch) -> [Int] {
        guard members.count > limit else { return Array(members.indices) }
        let margin = minGap.inSeconds
        let chances = members.map { $0.isExpected ? 1 : $0.estimate(after: margin).ended * $0.weight }
        let ranked = members.indices.sorted { (chances[$0], $1) > (chances[$1], $0) }
        return Array(ranked.prefix(max(limit, 0)))
    }
}
