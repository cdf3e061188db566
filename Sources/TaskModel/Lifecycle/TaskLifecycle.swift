/// The effect of an event on a task in a state.
package enum Transition: Sendable, Hashable {
    /// The task changes its state, and the log gets an entry.
    case advance(to: TaskState)
    /// The state stays, and the row stores the new facts.
    case update
    /// The outcome stands, and the log shows the late result.
    case noteLateResult
    /// The provider accepted another attempt than the current one. The log gets an entry, and a task that ended
    /// without an id gets this one.
    case noteLateRecord
    /// The event is logged but changes nothing.
    case note
    /// The event adds nothing.
    case ignore
    /// A user's request is not possible in this state.
    case refuse(LifecycleRefusal)
}

/// Why a user's request was rejected. Nothing was changed.
package enum LifecycleRefusal: String, UserFacingError, Hashable {
    case alreadyEnded = "already_ended"
    case beingSubmitted = "being_submitted"
    case needsResolution = "needs_resolution"
    case notUncertain = "not_uncertain"
    case notReopenable = "not_reopenable"
    case notEnded = "not_ended"
    case submissionLost = "submission_lost"
    case requestUnknown = "request_unknown"
    case notSettled = "not_settled"
    case pinned
    case detailsRemoved = "details_removed"
    case notQueued = "not_queued"

    package var code: String { rawValue }

    package var message: String {
        switch self {
        case .alreadyEnded:
            "The task has ended, and an outcome never changes."
        case .beingSubmitted:
            "The task is being sent at this moment. Ask again in a few seconds, when its reply is known."
        case .needsResolution:
            "The provider may or may not have accepted this task. Resolve it with `pollux resolve`: adopt its remote id, resubmit it, or give it up."
        case .notUncertain:
            "Only a task in state `uncertain` can be resolved; this one is not."
        case .notReopenable:
            "Only a cancelled or expired task that has a remote id can be reopened, or a lost one whose record appeared later."
        case .notEnded:
            "The task has not ended. Cancel it first, or wait for its end."
        case .submissionLost:
            "The outcome of its submission is unknown: the provider may have it and bill it, so a retry could pay twice. Look for it in the provider's own list. If it is there, `pollux track` follows it; if not, submit the request again with `pollux submit`. While such a task is `uncertain`, `pollux resolve` settles it."
        case .requestUnknown:
            "The task was submitted elsewhere, so its request is not known here and cannot be sent again."
        case .notSettled:
            "An attempt of this task may still appear at the provider. This is settled at most a day after the attempt was given up; delete or retry the task then."
        case .pinned:
            "The task is pinned. `pollux unpin` it first."
        case .notQueued:
            "Only a task that waits in the queue can be let through. This one has been sent already."
        case .detailsRemoved:
            "The details of this task were removed, so nothing is left to keep, to track or to submit again."
        }
    }
}

/// The state machine of a task: a pure, total function. The README has its diagram.
package enum TaskLifecycle {
    /// The effect of an event in a state.
    ///
    /// `hasRemoteID`: the task can be reopened. `isKnownByCallback`: a callback supplied the remote id before the
    /// submission's reply. `isCalledBack`: any delivery arrived. `isEarlierAttempt`: the reply belongs to an attempt
    /// before the latest. `wasLost`: a failed task has its id from a record that appeared later. All pairs are
    /// listed, so the compiler reports a missing one.
    package static func transition(
        from state: TaskState, on event: TaskEvent, hasRemoteID: Bool = true, isKnownByCallback: Bool = false,
        isCalledBack: Bool = false, isEarlierAttempt: Bool = false, wasLost: Bool = false
    ) -> Transition {
        // The database has this attempt, or another one with its number.
        if case .foundInJournal = event, isEarlierAttempt { return .note }
        return switch state {
        case .queued: whileQueued(event)
        case .submitting where isEarlierAttempt: whileSubmittingAgain(event)
        case .submitting:
            whileSubmitting(
                event, isKnownByCallback: isKnownByCallback, isCalledBack: isCalledBack || isKnownByCallback)
        case .uncertain: whileUncertain(event, isLatestReply: !isEarlierAttempt && !isCalledBack)
        case .running: whileRunning(event)
        case .succeeded, .failed: afterOutcome(event, in: state, isReopenable: state == .failed && wasLost)
        case .cancelled, .expired: afterStop(event, hasRemoteID: hasRemoteID)
        }
    }

    private static func whileQueued(_ event: TaskEvent) -> Transition {
        switch event {
        case .submissionStarted: .advance(to: .submitting)
        // The provider accepted an earlier attempt, so a new one would be paid twice.
        case .calledBack(let delivery):
            afterLostReply(delivery) == .update ? .advance(to: .uncertain) : afterLostReply(delivery)
        case .cancelRequested: .advance(to: .cancelled)
        case .deadlinePassed: .advance(to: .expired)
        case .foundInList, .foundByOwnID: .advance(to: .running)
        // The reading before the resubmission shows a possible record.
        case .lookupUndecided, .perhapsSent, .foundInJournal: .advance(to: .uncertain)
        // Late rejections. ``lateAcceptance(of:attempt:)`` has turned late acceptances into deliveries.
        case .submissionNotAccepted, .submissionRefused: .note
        case .adopted, .resubmitted, .givenUp: .refuse(.notUncertain)
        case .reopenRequested: .refuse(.notReopenable)
        case .submissionAccepted, .submissionAnswered, .turnedUp, .submissionInterrupted, .absentFromList, .observed,
            .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed, .remoteTaskGone:
            .ignore
        }
    }

    /// The effect of a reply to an earlier attempt while a later one is being sent.
    private static func whileSubmittingAgain(_ event: TaskEvent) -> Transition {
        switch event {
        case .submissionNotAccepted, .submissionRefused: .note
        case .submissionInterrupted: .ignore
        case let other: whileSubmitting(other, isKnownByCallback: false, isCalledBack: false)
        }
    }

    private static func whileSubmitting(
        _ event: TaskEvent, isKnownByCallback: Bool, isCalledBack: Bool
    ) -> Transition {
        // A callback proves that the provider accepted the request, whatever the reply says.
        let whereTaken: Transition? =
            isKnownByCallback ? .advance(to: .running) : isCalledBack ? .advance(to: .uncertain) : nil
        return switch event {
        case .submissionAccepted: .advance(to: .running)
        // Unfinished work without an id can only be found in the list.
        case .submissionAnswered(let observation, let id):
            .advance(to: ending(of: observation) ?? (id == nil && !isKnownByCallback ? .uncertain : .running))
        case .submissionNotAccepted: whereTaken ?? .advance(to: .queued)
        case .submissionRefused: whereTaken ?? .advance(to: .failed)
        // It may be billed: only the provider's list, a callback, a user or an explicit policy decides.
        case .submissionInterrupted: whereTaken ?? .advance(to: .uncertain)
        // The provider did not accept the attempt that is being sent here, because the found one was started after it.
        case .foundInJournal: .advance(to: .uncertain)
        // The delivery is early; the reply is still awaited.
        case .calledBack: .update
        case .cancelRequested: .refuse(.beingSubmitted)
        case .adopted, .resubmitted, .givenUp: .refuse(.notUncertain)
        case .reopenRequested: .refuse(.notReopenable)
        case .submissionStarted, .perhapsSent, .absentFromList, .lookupUndecided, .foundInList, .foundByOwnID,
            .turnedUp, .observed,
            .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed, .remoteTaskGone, .deadlinePassed:
            .ignore
        }
    }

    private static func whileUncertain(_ event: TaskEvent, isLatestReply: Bool) -> Transition {
        switch event {
        // A late reply to the latest attempt proves the same as a timely one.
        case .submissionNotAccepted: isLatestReply ? .advance(to: .queued) : .note
        case .submissionRefused: isLatestReply ? .advance(to: .failed) : .note
        case .foundInList, .foundByOwnID, .adopted: .advance(to: .running)
        case .resubmitted: .advance(to: .queued)
        case .givenUp: .advance(to: .failed)
        case .absentFromList, .lookupUndecided, .foundInJournal: .update
        case .calledBack(let delivery): afterLostReply(delivery)
        // The delivery arrived before the reply and contains no id.
        case .endedByCallback(let observation): ending(of: observation).map { .advance(to: $0) } ?? .ignore
        case .cancelRequested: .refuse(.needsResolution)
        case .reopenRequested: .refuse(.notReopenable)
        // A deadline does not cancel a possible bill.
        case .submissionStarted, .perhapsSent, .submissionAccepted, .submissionAnswered, .turnedUp,
            .submissionInterrupted,
            .observed, .slowerThanUsual, .replyTooLarge, .missed, .remoteTaskGone, .deadlinePassed:
            .ignore
        }
    }

    /// The effect of a delivery on a task without a known remote id.
    ///
    /// With an id, the provider can be polled. Without one, a body that reports an end is the only source of the
    /// outcome.
    private static func afterLostReply(_ delivery: CallbackDelivery) -> Transition {
        if delivery.remoteID != nil { return .advance(to: .running) }
        return delivery.observation.flatMap(ending).map { .advance(to: $0) } ?? .update
    }

    private static func whileRunning(_ event: TaskEvent) -> Transition {
        switch event {
        case .observed(let observation): ending(of: observation).map { .advance(to: $0) } ?? .update
        case .endedByCallback(let observation): ending(of: observation).map { .advance(to: $0) } ?? .ignore
        // One poll decides.
        case .calledBack: .update
        case .missed, .slowerThanUsual, .replyTooLarge: .update
        case .remoteTaskGone: .advance(to: .failed)
        case .cancelRequested: .advance(to: .cancelled)
        case .deadlinePassed: .advance(to: .expired)
        case .adopted, .resubmitted, .givenUp: .refuse(.notUncertain)
        case .reopenRequested: .refuse(.notReopenable)
        case .submissionNotAccepted, .submissionRefused, .foundInJournal: .note
        case .submissionStarted, .perhapsSent, .submissionAccepted, .submissionAnswered, .turnedUp,
            .submissionInterrupted,
            .absentFromList, .lookupUndecided, .foundInList, .foundByOwnID:
            .ignore
        }
    }

    private static func afterOutcome(_ event: TaskEvent, in state: TaskState, isReopenable: Bool) -> Transition {
        switch event {
        case .observed(let observation), .submissionAnswered(let observation, _):
            ending(of: observation) == nil ? .ignore : .noteLateResult
        // Most late deliveries repeat the outcome; only a contradiction is logged.
        case .calledBack(let delivery):
            delivery.observation.flatMap(ending).map { $0 == state ? .ignore : .noteLateResult } ?? .ignore
        case .cancelRequested, .adopted, .resubmitted, .givenUp: .refuse(.alreadyEnded)
        case .reopenRequested: isReopenable ? .advance(to: .running) : .refuse(.notReopenable)
        case .submissionNotAccepted, .submissionRefused, .foundInJournal: .note
        case .submissionStarted, .perhapsSent, .submissionAccepted, .turnedUp, .submissionInterrupted, .absentFromList,
            .lookupUndecided, .foundInList, .foundByOwnID, .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed,
            .remoteTaskGone,
            .deadlinePassed:
            .ignore
        }
    }

    private static func afterStop(_ event: TaskEvent, hasRemoteID: Bool) -> Transition {
        switch event {
        case .reopenRequested: hasRemoteID ? .advance(to: .running) : .refuse(.notReopenable)
        case .observed(let observation), .submissionAnswered(let observation, _):
            ending(of: observation) == nil ? .ignore : .noteLateResult
        case .calledBack(let delivery): delivery.isFinal ? .noteLateResult : .ignore
        case .cancelRequested, .adopted, .resubmitted, .givenUp: .refuse(.alreadyEnded)
        case .submissionNotAccepted, .submissionRefused, .foundInJournal: .note
        case .submissionStarted, .perhapsSent, .submissionAccepted, .turnedUp, .submissionInterrupted, .absentFromList,
            .lookupUndecided, .foundInList, .foundByOwnID, .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed,
            .remoteTaskGone,
            .deadlinePassed:
            .ignore
        }
    }

    private static func ending(of observation: Observation) -> TaskState? {
        switch observation.verdict {
        case .pending: nil
        case .succeeded: .succeeded
        case .failed: .failed
        }
    }
}
