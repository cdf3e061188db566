import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct TaskLifecycleTests {
    private static let failure = TaskFailure(code: "forbidden", message: "Moderation.")
    private static let id = RemoteTaskID("remote-9") ?? { preconditionFailure("a valid id") }()

    private static func seen(_ verdict: Observation.Verdict) -> Observation {
        Observation(verdict, record: ["id": "remote-9"])
    }

    private static func delivered(_ verdict: Observation.Verdict, _ id: RemoteTaskID?) -> TaskEvent {
        .calledBack(CallbackDelivery(attempt: 1, remoteID: id, observation: seen(verdict)))
    }

    /// The effect of every event in every state, in the order of ``TaskState/allCases``: `>` changes the state, `=`
    /// updates the row, `late` adds an event, `-` has no effect, `!` is rejected.
    private static let table: [(event: TaskEvent, cells: String)] = [
        (.submissionStarted(), ">submitting - - - - - - -"),
        (.submissionAccepted(id, traceID: nil), "- >running - - - - - -"),
        (.submissionAnswered(seen(.pending), remoteID: id), "- >running - - - - - -"),
        (.submissionAnswered(seen(.pending), remoteID: nil), "- >uncertain - - - - - -"),
        (.submissionAnswered(seen(.succeeded(partial: false)), remoteID: nil), "- >succeeded - - late late late late"),
        (.submissionAnswered(seen(.failed(failure)), remoteID: id), "- >failed - - late late late late"),
        (.submissionNotAccepted(failure), "note >queued >queued note note note note note"),
        (.submissionRefused(failure), "note >failed >failed note note note note note"),
        (.submissionInterrupted(failure, isProbablyRefused: true), "- >uncertain - - - - - -"),
        (.perhapsSent(since: ManualTimeSource.start), ">uncertain - - - - - - -"),
        (
            .foundInJournal(Attempt(number: 2, startedAt: ManualTimeSource.start), account: .default),
            ">uncertain >uncertain = note note note note note"
        ),
        (.absentFromList, "- - = - - - - -"),
        (.lookupUndecided(), ">uncertain - = - - - - -"),
        (.foundInList(id, traceID: nil), ">running - >running - - - - -"),
        (.foundByOwnID(id, traceID: nil), ">running - >running - - - - -"),
        (.turnedUp(id, traceID: nil), "- - - - - - - -"),
        (.adopted(id), "!U !U >running !U !E !E !E !E"),
        (.resubmitted(.resubmitted), "!U !U >queued !U !E !E !E !E"),
        (.givenUp(failure, .givenUp), "!U !U >failed !U !E !E !E !E"),
        (.observed(seen(.pending)), "- - - = - - - -"),
        (.observed(seen(.succeeded(partial: true))), "- - - >succeeded late late late late"),
        (.observed(seen(.failed(failure))), "- - - >failed late late late late"),
        (delivered(.pending, id), ">running = >running = - - - -"),
        (delivered(.succeeded(partial: false), id), ">running = >running = - late late late"),
        (delivered(.failed(failure), id), ">running = >running = late - late late"),
        (delivered(.pending, nil), ">uncertain = = = - - - -"),
        (delivered(.succeeded(partial: false), nil), ">succeeded = >succeeded = - late late late"),
        (.calledBack(CallbackDelivery(attempt: 1)), ">uncertain = = = - - - -"),
        (.endedByCallback(seen(.succeeded(partial: false))), "- - >succeeded >succeeded - - - -"),
        (.endedByCallback(seen(.pending)), "- - - - - - - -"),
        (.slowerThanUsual, "- - - = - - - -"),
        (.replyTooLarge(failure), "- - - = - - - -"),
        (.missed, "- - - = - - - -"),
        (.remoteTaskGone, "- - - >failed - - - -"),
        (.cancelRequested, ">cancelled !S !N >cancelled !E !E !E !E"),
        (.reopenRequested, "!R !R !R !R !R !R >running >running"),
        (.deadlinePassed, ">expired - - >expired - - - -"),
    ]

    private static func cell(_ transition: Transition) -> String {
        switch transition {
        case .advance(let state): ">\(state)"
        case .update: "="
        case .noteLateResult: "late"
        case .noteLateRecord: "record"
        case .note: "note"
        case .ignore: "-"
        case .refuse(.alreadyEnded): "!E"
        case .refuse(.beingSubmitted): "!S"
        case .refuse(.needsResolution): "!N"
        case .refuse(.notUncertain): "!U"
        case .refuse(.notReopenable): "!R"
        case .refuse(let other): "!\(other)"
        }
    }

    @Test(arguments: table.indices)
    func `every event has the effect of the table in every state`(row: Int) {
        let (event, cells) = Self.table[row]
        let found = TaskState.allCases.map { Self.cell(TaskLifecycle.transition(from: $0, on: event)) }
        #expect(found == cells.split(separator: " ").map(String.init), "\(event.kind)")
    }

    @Test func `the table has every kind of event`() {
        #expect(Set(Self.table.map { TaskEventKind($0.event) }) == Set(TaskEventKind.allCases))
    }

    @Test(arguments: [
        TaskEvent.submissionInterrupted(failure, isProbablyRefused: true), .submissionRefused(failure),
        .submissionNotAccepted(failure), .submissionAnswered(seen(.pending), remoteID: nil),
    ])
    func `a task with an id from a callback runs, whatever its reply`(event: TaskEvent) {
        #expect(
            TaskLifecycle.transition(from: .submitting, on: event, isKnownByCallback: true) == .advance(to: .running))
        let unnamed = TaskLifecycle.transition(from: .submitting, on: event, isCalledBack: true)
        #expect(unnamed == .advance(to: .uncertain))
    }

    @Test(arguments: [TaskState.cancelled, .expired])
    func `a task that never had a remote id cannot be reopened`(state: TaskState) {
        #expect(
            TaskLifecycle.transition(from: state, on: .reopenRequested, hasRemoteID: false) == .refuse(.notReopenable))
    }

    @Test func `every rejection has the contract's code, a reason and a suggestion`() {
        let told: [LifecycleRefusal: (code: String, says: [String])] = [
            .alreadyEnded: ("already_ended", ["has ended", "never changes"]),
            .beingSubmitted: ("being_submitted", ["being sent", "Ask again"]),
            .needsResolution: ("needs_resolution", ["may or may not", "adopt", "resubmit", "give it up"]),
            .notUncertain: ("not_uncertain", ["`uncertain`", "resolved"]),
            .notReopenable: ("not_reopenable", ["remote id", "reopened"]),
        ]
        let refusals = Self.table.flatMap { row in
            TaskState.allCases.compactMap { state -> LifecycleRefusal? in
                if case .refuse(let refusal) = TaskLifecycle.transition(from: state, on: row.event) {
                    refusal
                } else {
                    nil
                }
            }
        }
        #expect(Set(refusals) == Set(told.keys))
        for (refusal, (code, words)) in told {
            #expect(refusal.code == code)
            for word in words { #expect(refusal.message.contains(word), "\(code): \(refusal.message)") }
        }
    }
}
