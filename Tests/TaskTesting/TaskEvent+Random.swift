package import TaskModel
import VerbatimJSON

extension TaskEvent {
    /// A random event, for tests of arbitrary orders.
    package static func random(using random: inout some RandomNumberGenerator) -> TaskEvent {
        let failure = TaskFailure(code: "some_code", message: "Some words.", httpStatus: 500, hint: "A hint.")
        guard let id = RemoteTaskID("remote-\(Int.random(in: 0..<1_000_000, using: &random))") else {
            preconditionFailure("the text above is a remote id")
        }
        let verdicts: [Observation.Verdict] = [
            .pending, .pending, .succeeded(partial: Bool.random(using: &random)), .failed(failure),
        ]
        let observation = Observation(
            verdicts[Int.random(in: 0..<4, using: &random)], record: ["id": .string(id.text)],
            progress: Bool.random(using: &random) ? 35 : nil, traceID: Bool.random(using: &random) ? "trace" : nil,
            startedAt: Bool.random(using: &random) ? ManualTimeSource.start : nil)
        let events: [TaskEvent] = [
            .submissionStarted(),
            .perhapsSent(since: ManualTimeSource.start),
            .foundInJournal(Attempt(number: 2, startedAt: ManualTimeSource.start), account: .default),
            .submissionStarted(
                callback: CallbackDigest((0..<32).map { _ in UInt8.random(in: 0...255, using: &random) })),
            .calledBack(
                CallbackDelivery(
                    attempt: 1, remoteID: Bool.random(using: &random) ? id : nil,
                    observation: Bool.random(using: &random) ? observation : nil)),
            .endedByCallback(observation), .submissionAccepted(id, traceID: nil),
            .submissionAnswered(observation, remoteID: Bool.random(using: &random) ? id : nil),
            .submissionNotAccepted(failure), .submissionRefused(failure),
            .submissionInterrupted(failure, isProbablyRefused: Bool.random(using: &random)), .absentFromList,
            .lookupUndecided(), .lookupUndecided(possible: [id]), .foundInList(id, traceID: "trace"),
            .foundByOwnID(id, traceID: nil), .turnedUp(id, traceID: "trace"), .adopted(id),
            .resubmitted(.resubmittedByPolicy),
            .givenUp(failure, .givenUp), .observed(observation), .slowerThanUsual, .replyTooLarge(failure), .missed,
            .remoteTaskGone, .cancelRequested,
            .reopenRequested,
            .deadlinePassed,
        ]
        return events[Int.random(in: events.indices, using: &random)]
    }
}
