import TaskModel

/// Estimates the time left from a reported progress, mixed with the learned durations.
///
/// At an even pace, a task that is `p` done after `t` needs `t (1 - p) / p` more. Few tasks have an even pace, so this
/// is the median of a wide distribution. Its weight grows with `p`.
struct ProgressEstimate {
    /// The time left when the progress was first seen, at an even pace, in seconds.
    private let left: Double
    /// How long ago that was.
    private let elapsed: Double
    /// Its weight when it was first seen.
    private let credit: Double

    /// Nil for a progress without information: 0 %, or 100 % without an end.
    init?(_ progress: PollHistory.Progress, history: PollHistory, now: Timestamp) {
        guard progress.percent > 0, progress.percent < 100 else { return nil }
        let done = progress.percent / 100
        let atSight = history.age(at: progress.since).inSeconds
        guard atSight > 0 else { return nil }
        left = max(atSight * (1 - done) / done, 0.5)
        elapsed = max(now - progress.since, .zero).inSeconds
        credit = 0.2 + 0.6 * done
    }

    /// The curve of the time left from now on, from both sources.
    ///
    /// While the progress stands still, each source loses weight if it predicted an end for that time (Bayes' rule). So
    /// a progress that is stuck at 99 % soon has no effect.
    func curve(beside learned: PiecewiseHazard, at age: Double, upTo limit: Double) -> PiecewiseHazard {
        let spentOnProgress = Self.unit.cumulatedHazard(at: elapsed / left)
        let spentLearned =
            learned.cumulatedHazard(at: age) - learned.cumulatedHazard(at: max(age - elapsed, 0))
        let odds = credit / (1 - credit) * exponential((spentLearned - spentOnProgress).clamped(to: -30...30))
        let share = odds / (1 + odds)
        let start = learned.cumulatedHazard(at: age)
        let gaps = (1...48).map { limit * exponential(-0.12 * Double(48 - $0)) }
        return PiecewiseHazard(through: gaps) { gap in
            let byProgress = spentOnProgress - Self.unit.cumulatedHazard(at: (elapsed + gap) / left)
            let byExperience = start - learned.cumulatedHazard(at: age + gap)
            return (
                above: share * exponential(byProgress) + (1 - share) * exponential(byExperience),
                below: -share * exponentialMinusOne(byProgress) - (1 - share) * exponentialMinusOne(byExperience)
            )
        }
    }

    /// The time left as a multiple of that at an even pace.
    private static let unit: PiecewiseHazard = {
        let spread = StudentTPredictive(location: 0, scale: 0.5, freedom: 4)
        return PiecewiseHazard(through: (-40...60).map { exponential(Double($0) / 8) }) { multiple in
            (spread.above(logarithm(multiple)), spread.below(logarithm(multiple)))
        }
    }()
}
