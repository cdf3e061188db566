import TaskModel

/// What a reported progress says about the time that is left, beside what experience says.
///
/// A task that is `p` done after `t` would, at an even pace, need `t (1 - p) / p` more. Few paces are even, so that is
/// taken as the median of a wide distribution, which counts for the more the further the task is.
struct ProgressEstimate {
    /// The time that was left when the progress was first seen, at an even pace, in seconds.
    private let left: Double
    /// How long ago that was.
    private let elapsed: Double
    /// How much it is believed, before it stood still.
    private let credit: Double

    /// Nil for a progress that says nothing: none yet, or all of it without an end.
    init?(_ progress: PollHistory.Progress, history: PollHistory, now: Timestamp) {
        guard progress.percent > 0, progress.percent < 100 else { return nil }
        let done = progress.percent / 100
        let atSight = history.age(at: progress.since).inSeconds
        guard atSight > 0 else { return nil }
        left = max(atSight * (1 - done) / done, 0.5)
        elapsed = max(now - progress.since, .zero).inSeconds
        credit = 0.2 + 0.6 * done
    }

    /// The time left, by experience and progress together, from now on.
    ///
    /// While the progress stands still both lose by what they had foretold for that time (Bayes' rule), so that one that
    /// is stuck at 99 % soon counts for nothing.
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

    /// The time left as a multiple of the even pace's.
    private static let unit: PiecewiseHazard = {
        let spread = StudentTPredictive(location: 0, scale: 0.5, freedom: 4)
        return PiecewiseHazard(through: (-40...60).map { exponential(Double($0) / 8) }) { multiple in
            (spread.above(logarithm(multiple)), spread.below(logarithm(multiple)))
        }
    }()
}
