import TaskModel
import TaskTesting
import Testing

@testable import TaskEngine

@Suite struct AbsencePolicyTests {
    private static let now = ManualTimeSource.start + .seconds(1_000)
    private let policy = AbsencePolicy(
        readings: 3, span: .seconds(120), failAfter: .seconds(600), verifiedElapsed: { now - $0 }, readingTook: .zero,
        isSteady: true, isRestored: false)
    private let now = Self.now

    private func task(
        readings: Int, since seconds: Int?, policy: UncertainPolicy = .resubmitIfAbsent, probablyRefused: Bool = false,
        lostFor age: Int = 300
    ) -> TrackedTask {
        var task = TrackedTask.task(state: .uncertain, onUncertain: policy)
        task.attempt?.absentReadings = readings
        task.attempt?.firstAbsentAt = seconds.map { now - .seconds($0) }
        task.attempt?.isProbablyRefused = probablyRefused
        task.attempt?.endedAt = now - .seconds(age)
        return task
    }

    @Test(arguments: [(0, nil), (1, 120), (1, 86_400), (2, 119), (9, 119)] as [(Int, Int?)])
    func `fewer than three readings or two minutes prove nothing`(readings: Int, since: Int?) {
        #expect(policy.event(for: task(readings: readings, since: since), after: .absent, at: now) == .absentFromList)
        let refused = task(readings: readings, since: since, probablyRefused: true)
        #expect(policy.event(for: refused, after: .absent, at: now) == .absentFromList)
    }

    @Test func `the third absent reading after two minutes resubmits only under that policy`() {
        let proven = task(readings: 2, since: 120)
        #expect(policy.event(for: proven, after: .absent, at: now) == .resubmitted(.resubmittedByPolicy))
        #expect(
            policy.event(for: task(readings: 2, since: 120, policy: .hold), after: .absent, at: now) == .absentFromList)
    }

    @Test func `the time of a reading itself is no part of the two minutes`() {
        for (took, isProof) in [(30, true), (31, false)] {
            let slow = AbsencePolicy(
                readings: 3, span: .seconds(120), failAfter: .seconds(600), verifiedElapsed: policy.verifiedElapsed,
                readingTook: .seconds(took), isSteady: true, isRestored: false)
            let event = slow.event(for: task(readings: 2, since: 150), after: .absent, at: now)
            #expect(event == (isProof ? .resubmitted(.resubmittedByPolicy) : .absentFromList))
        }
    }

    @Test(arguments: [LostAttemptSearch.Finding.unproven, .possible([], isSame: false)])
    func `an inconclusive reading never resubmits`(finding: LostAttemptSearch.Finding) {
        for refused in [false, true] {
            let proven = task(readings: 9, since: 900, probablyRefused: refused)
            #expect(policy.event(for: proven, after: finding, at: now) == .lookupUndecided())
        }
    }

    @Test func `a task with a callback is never absent`() {
        var called = task(readings: 9, since: 900)
        called.callbacks.count = 1
        #expect(policy.event(for: called, after: .absent, at: now) == .lookupUndecided())
    }

    @Test(arguments: UncertainPolicy.allCases)
    func `an unsteady clock prevents resubmission and giving up`(onUncertain: UncertainPolicy) {
        let unsteady = AbsencePolicy(
            readings: 3, span: .seconds(120), failAfter: .seconds(600), verifiedElapsed: policy.verifiedElapsed,
            readingTook: .zero, isSteady: false, isRestored: false)
        for refused in [false, true] {
            let proven = task(readings: 9, since: 900, policy: onUncertain, probablyRefused: refused, lostFor: 900)
            #expect(unsteady.event(for: proven, after: .absent, at: now) == .absentFromList)
        }
    }

    @Test(arguments: UncertainPolicy.allCases)
    func `in a restored copy no policy resubmits or gives up a task`(onUncertain: UncertainPolicy) {
        let copy = AbsencePolicy(
            readings: 3, span: .seconds(120), failAfter: .seconds(600), verifiedElapsed: policy.verifiedElapsed,
            readingTook: .zero, isSteady: true, isRestored: true)
        for refused in [false, true] {
            let proven = task(readings: 9, since: 900, policy: onUncertain, probablyRefused: refused, lostFor: 900)
            #expect(copy.event(for: proven, after: .absent, at: now) == .absentFromList)
        }
    }

    @Test(arguments: [LostAttemptSearch.Finding.absent, .unproven, .possible([], isSame: true)])
    func `the policy fail gives up after ten minutes unless the task is found`(finding: LostAttemptSearch.Finding) {
        let early = task(readings: 9, since: 500, policy: .fail, lostFor: 599)
        let event = policy.event(for: early, after: finding, at: now)
        #expect(event == (finding == .absent ? .absentFromList : .lookupUndecided()))
        let late = policy.event(
            for: task(readings: 0, since: nil, policy: .fail, lostFor: 600), after: finding, at: now)
        guard case .givenUp(let failure, .givenUpByPolicy) = late else {
            Issue.record("\(late)")
            return
        }
        #expect(failure.code == "submission_lost")
    }

    @Test(arguments: UncertainPolicy.allCases)
    func `a probable refusal is confirmed by proven absence under every policy`(onUncertain: UncertainPolicy) {
        let refused = task(readings: 2, since: 120, policy: onUncertain, probablyRefused: true)
        let reason = TaskFailure(code: "reply_lost", message: "The reply was lost.")
        #expect(policy.event(for: refused, after: .absent, at: now) == .givenUp(reason, .refusalConfirmed))
    }
}
