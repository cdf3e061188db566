import Randomness
import TaskModel
import TaskTesting
import Testing

/// The words that programs, databases and settings files use. Changing one breaks them, so do not adapt a failing
/// test.
@Suite struct ContractWordsTests {
    @Test func `states have the contract's words`() {
        #expect(
            TaskState.allCases.map(\.rawValue)
                == ["queued", "submitting", "uncertain", "running", "succeeded", "failed", "cancelled", "expired"])
    }

    @Test func `policies have the contract's words`() {
        #expect(UncertainPolicy.allCases.map(\.rawValue) == ["hold", "resubmit_if_absent", "fail"])
    }

    @Test func `resolutions have the contract's words`() {
        #expect(
            Set(Resolution.allCases.map(\.rawValue)) == [
                "found_in_list", "late_reply", "found_by_own_id", "called_back", "adopted", "resubmitted",
                "resubmitted_by_policy",
                "given_up", "given_up_by_policy", "refusal_confirmed",
            ])
    }

    @Test func `sources of an outcome have the contract's words`() {
        #expect(OutcomeSource.allCases.map(\.rawValue) == ["submission", "poll", "callback"])
    }

    @Test func `events have the contract's words, and random events cover every kind`() {
        var random = SeededRandom(seed: 1)
        var drawn: Set<TaskEventKind> = []
        for _ in 0..<5_000 {
            let event = TaskEvent.random(using: &random)
            drawn.insert(TaskEventKind(event))
            #expect(event.kind == TaskEventKind(event).rawValue)
        }
        #expect(drawn == Set(TaskEventKind.allCases))
    }
}
