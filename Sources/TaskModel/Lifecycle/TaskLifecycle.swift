/// What an event does to a task in a state.
package enum Transition: Sendable, Hashable {
    /// It goes there, with an event in the log.
    case advance(to: TaskState)
    /// It stays, and what was learned is kept in its row.
    case update
    /// Its outcome stands; what came late is kept as an event and shown.
    case noteLateResult
    /// The provider has accepted another attempt than the one that counts: kept as an event, and as the id of a task that
    /// ended without one.
    case noteLateRecord
    /// It changes nothing, and the log tells of it.
    case note
    /// It says nothing new.
    case ignore
    /// A person asked for what this state does not allow.
    case refuse(LifecycleRefusal)
}

/// Why a person's wish cannot be granted.
package enum LifecycleRefusal: String, UserFacingError, Hashable {
    case alreadyEnded = "already_ended"
    case beingSubmitted = "being_submitted"
    case needsResolution = "needs_resolution"
    case notUncertain = "not_uncertain"
    case notReopenable = "not_reopenable"

    package var code: String { rawValue }

    package var message: String {
        switch self {
        case .alreadyEnded:
            "The task has ended, and an outcome never changes."
        case .beingSubmitted:
            "The task is being sent at this moment. Ask again in a few seconds, when its reply is known."
        case .needsResolution:
            "The provider may or may not have accepted this task. Resolve it: adopt its remote id, resubmit it, or give it up."
        case .notUncertain:
            "Only a task in state `uncertain` can be resolved; this one is not."
        case .notReopenable:
            "Only a cancelled or expired task that has a remote id can be reopened, or a lost one whose record turned up later."
        }
    }
}

/// The one state machine of a task: pure, total, and drawn in the README.
package enum TaskLifecycle {
    /// What the event does in that state.
    ///
    /// `hasRemoteID` decides whether a task can be reopened, `isKnownByCallback` whether a callback has told its remote id
    /// before the reply to its submission did, `isCalledBack` whether anything was delivered at all, `isEarlierAttempt`
    /// whether a reply is to another attempt than the latest, `wasLost` whether a failed task has its id from a record that
    /// turned up later. Every pair is spelled out, so that a new state or event does not compile until it is thought through.
    package static func transition(
        from state: TaskState, on event: TaskEvent, hasRemoteID: Bool = true, isKnownByCallback: Bool = false,
        isCalledBack: Bool = false, isEarlierAttempt: Bool = false, wasLost: Bool = false
    ) -> Transition {
        switch state {
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
        // An earlier attempt was accepted after all, so sending another would pay twice.
        case .calledBack(let delivery):
            afterLostReply(delivery) == .update ? .advance(to: .uncertain) : afterLostReply(delivery)
        case .cancelRequested: .advance(to: .cancelled)
        case .deadlinePassed: .advance(to: .expired)
        case .foundInList, .foundByOwnID: .advance(to: .running)
        // The reading before it is sent again shows what may be its record.
        case .lookupUndecided: .advance(to: .uncertain)
        // Late replies: ``lateAcceptance(of:attempt:)`` has turned those that accept into deliveries.
        case .submissionNotAccepted, .submissionRefused: .note
        case .adopted, .resubmitted, .givenUp: .refuse(.notUncertain)
        case .reopenRequested: .refuse(.notReopenable)
        case .submissionAccepted, .submissionAnswered, .turnedUp, .submissionInterrupted, .absentFromList, .observed,
            .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed, .vanished:
            .ignore
        }
    }

    /// What becomes of a reply to an earlier attempt while a later one is being sent.
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
        // Whatever its reply says: who was called back has the provider's word that the request was taken.
        let whereTaken: Transition? =
            isKnownByCallback ? .advance(to: .running) : isCalledBack ? .advance(to: .uncertain) : nil
        return switch event {
        case .submissionAccepted: .advance(to: .running)
        // Work in progress without an id can only be found in the list: nothing else could ask for it.
        case .submissionAnswered(let observation, let id):
            .advance(to: ending(of: observation) ?? (id == nil && !isKnownByCallback ? .uncertain : .running))
        case .submissionNotAccepted: whereTaken ?? .advance(to: .queued)
        case .submissionRefused: whereTaken ?? .advance(to: .failed)
        // Perhaps billed: only the provider's list, a callback, a person or a stated policy decides.
        case .submissionInterrupted: whereTaken ?? .advance(to: .uncertain)
        // Early: the reply is still on its way, and is waited for.
        case .calledBack: .update
        case .cancelRequested: .refuse(.beingSubmitted)
        case .adopted, .resubmitted, .givenUp: .refuse(.notUncertain)
        case .reopenRequested: .refuse(.notReopenable)
        case .submissionStarted, .absentFromList, .lookupUndecided, .foundInList, .foundByOwnID, .turnedUp, .observed,
            .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed, .vanished, .deadlinePassed:
            .ignore
        }
    }

    private static func whileUncertain(_ event: TaskEvent, isLatestReply: Bool) -> Transition {
        switch event {
        // The reply to the latest attempt arrived late, and proves what it would have proven in time.
        case .submissionNotAccepted: isLatestReply ? .advance(to: .queued) : .note
        case .submissionRefused: isLatestReply ? .advance(to: .failed) : .note
        case .foundInList, .foundByOwnID, .adopted: .advance(to: .running)
        case .resubmitted: .advance(to: .queued)
        case .givenUp: .advance(to: .failed)
        case .absentFromList, .lookupUndecided: .update
        case .calledBack(let delivery): afterLostReply(delivery)
        // What was delivered while the reply was still waited for, and names no id.
        case .endedByCallback(let observation): ending(of: observation).map { .advance(to: $0) } ?? .ignore
        case .cancelRequested: .refuse(.needsResolution)
        case .reopenRequested: .refuse(.notReopenable)
        // A deadline does not make a possible bill go away.
        case .submissionStarted, .submissionAccepted, .submissionAnswered, .turnedUp, .submissionInterrupted,
            .observed, .slowerThanUsual, .replyTooLarge, .missed, .vanished, .deadlinePassed:
            .ignore
        }
    }

    /// What a delivery does to a task whose remote id nobody knows.
    ///
    /// With an id the provider can be asked. Without one there is nothing to ask, so a body that calls it ended is all
    /// that will ever be known.
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
        case .vanished: .advance(to: .failed)
        case .cancelRequested: .advance(to: .cancelled)
        case .deadlinePassed: .advance(to: .expired)
        case .adopted, .resubmitted, .givenUp: .refuse(.notUncertain)
        case .reopenRequested: .refuse(.notReopenable)
        case .submissionNotAccepted, .submissionRefused: .note
        case .submissionStarted, .submissionAccepted, .submissionAnswered, .turnedUp, .submissionInterrupted,
            .absentFromList, .lookupUndecided, .foundInList, .foundByOwnID:
            .ignore
        }
    }

    private static func afterOutcome(_ event: TaskEvent, in state: TaskState, isReopenable: Bool) -> Transition {
        switch event {
        case .observed(let observation), .submissionAnswered(let observation, _):
            ending(of: observation) == nil ? .ignore : .noteLateResult
        // The usual late one says what is known already; only one that contradicts is worth a line.
        case .calledBack(let delivery):
            delivery.observation.flatMap(ending).map { $0 == state ? .ignore : .noteLateResult } ?? .ignore
        case .cancelRequested, .adopted, .resubmitted, .givenUp: .refuse(.alreadyEnded)
        case .reopenRequested: isReopenable ? .advance(to: .running) : .refuse(.notReopenable)
        case .submissionNotAccepted, .submissionRefused: .note
        case .submissionStarted, .submissionAccepted, .turnedUp, .submissionInterrupted, .absentFromList,
            .lookupUndecided, .foundInList, .foundByOwnID, .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed,
            .vanished,
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
        case .submissionNotAccepted, .submissionRefused: .note
        case .submissionStarted, .submissionAccepted, .turnedUp, .submissionInterrupted, .absentFromList,
            .lookupUndecided, .foundInList, .foundByOwnID, .endedByCallback, .slowerThanUsual, .replyTooLarge, .missed,
            .vanished,
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
