import TaskModel

/// A task that a batch query could ask for.
package struct BatchCandidate: Sendable {
    /// How old it is.
    package let age: Duration
    /// How long ago it was asked for; its age if never.
    package let sinceLastPoll: Duration
    /// How long its kind takes.
    package let model: DurationModel
    /// What of its latency counts: the chance that no callback tells of its end before.
    package let weight: Double
    /// Something was heard of it that only a poll can confirm.
    package let isExpected: Bool

    /// Takes the task's age, how long ago it was asked for, its kind's model, and what is known of its callbacks.
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

    /// The chance that it has ended since it was asked for, and the chance per second to end just then, after `wait` more.
    fileprivate func forecast(after wait: Double) -> (ended: Double, ending: Double) {
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
    /// How many tasks one batch query asks for.
    package static let tasksPerBatch = 50

    /// How long to wait before one batch query for these tasks, or for the most promising `limit` of them.
    ///
    /// The rule of single tasks with the hazards summed: waiting costs as many seconds per second as tasks are expected to
    /// have ended unseen, and saves `sqrt(2c Σh)` of calls (Keller), so the time has come when
    ///
    ///     Σ (1 - Sᵢ) ≥ sqrt(2c Σ hᵢ Sᵢ)
    ///
    /// Of a task whose callbacks are reliable only the part of the latency counts that they leave, as with single tasks.
    /// For many tasks of constant hazard the gap is again `sqrt(2c / Σh)`. Within `minGap` and `maxGap` after the latest
    /// poll of the most promising task; zero if that is over. One task alone follows ``nextPoll(after:model:now:callbackReliability:sharedBy:using:)``.
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
                let forecast = member.forecast(after: wait)
                ended += forecast.ended * member.weight
                ending += forecast.ending * member.weight
            }
            return ended >= (2 * latencyPrice.inSeconds * ending).squareRoot()
        }
        // Steps of a fifth find the interval, halving it finds the moment to a hundredth.
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

    /// Which tasks ride along in a batch query now, by their places: those most likely to have ended since their last poll.
    ///
    /// A call for one task costs as much as one for fifty, so every place is used; but nobody is asked for again within
    /// `minGap`, unless there would be no one else.
    package func riders(of members: [BatchCandidate], limit: Int = PollingPolicy.tasksPerBatch) -> [Int] {
        guard members.count > limit else { return Array(members.indices) }
        let margin = minGap.inSeconds
        let chances = members.map { $0.isExpected ? 1 : $0.forecast(after: margin).ended * $0.weight }
        let ranked = members.indices.sorted { (chances[$0], $1) > (chances[$1], $0) }
        return Array(ranked.prefix(max(limit, 0)))
    }
}
