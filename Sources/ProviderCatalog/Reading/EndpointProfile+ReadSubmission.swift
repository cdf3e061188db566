import TaskModel
import VerbatimJSON

extension EndpointProfile {
    /// Reads what the reply to a paid request proves.
    ///
    /// Where nothing is proven the verdict is `unknown`, and the request must not be sent again: perhaps it was billed.
    package func readSubmission(_ reply: UpstreamReply) -> SubmitVerdict {
        if let wire { return readSubmission(reply, by: wire) }
        let answer = ProviderAnswer(reply, at: self)
        // An id is proof, whatever stands beside it.
        if !(answer.isSuccess && answer.record?.ownID != nil) {
            if answer.meaning == .stopsAccount { return .stopped(failure(answer), .account) }
            if answer.isThrottled { return .throttled(failure(answer), retryAfter: answer.retryAfter) }
        }
        switch reply.status {
        case 200...299: return readAccepted(answer)
        case let status where saysMoved(status): return .stopped(redirect(status, to: answer.location), .endpoint)
        case 300...399: return .unknown(redirect(reply.status, to: answer.location))
        case 408: return .unknown(timeout(answer))
        case 400...499: return .refused(failure(answer), stopsProvider: answer.stopsAccount)
        case 504: return .unknown(timeout(answer))
        case 500...599: return readServerError(answer)
        default: return .unknown(unexpected(answer))
        }
    }

    /// 2xx: an id, a result, or an error that came under the wrong status.
    private func readAccepted(_ answer: ProviderAnswer) -> SubmitVerdict {
        guard let record = answer.record else { return .unknown(unexpected(answer)) }
        let observation = observe(record, as: record.isWrapped ? .record : .reply, httpStatus: answer.status)
        let id = record.ownID
        switch observation.verdict {
        case .pending:
            guard let id else { return .unknown(unexpected(answer)) }
            return .accepted(id, traceID: observation.traceID)
        case .succeeded:
            return .answered(observation, remoteID: id)
        case .failed(let failure):
            // With an id the task exists and has failed.
            if let id { return .answered(observation, remoteID: id) }
            guard answer.error != nil || record.success == .no else { return .unknown(unexpected(answer)) }
            if answer.isOutcomeUnknown { return .unknown(timeout(answer)) }
            if answer.isServerFault { return .probablyRefused(failure) }
            return .refused(failure, stopsProvider: answer.stopsAccount)
        }
    }

    /// 5xx: the provider's own error object says that it looked at the request; anything else may be any box between.
    private func readServerError(_ answer: ProviderAnswer) -> SubmitVerdict {
        // Frameworks and gateways number their errors; the provider has words for its own.
        guard let error = answer.error, error.form == .object, error.code?.contains(where: \.isLetter) == true else {
            return .unknown(unexpected(answer))
        }
        if answer.isOutcomeUnknown { return .unknown(timeout(answer)) }
        return .probablyRefused(failure(answer))
    }
}
