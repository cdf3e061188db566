import TaskModel
import VerbatimJSON

/// The kind of a message body.
enum Message: Hashable {
    /// A task's record from a poll. The work may still be in progress.
    case record
    /// The whole reply to a submission, or a callback. No later message of this kind completes it.
    case reply
}

extension InferredDialect {
    /// Infers a task's state from its record. The strongest evidence counts first:
    ///
    /// 1. The provider's own status word beside `response`. Maestro's `progress.stage` still says "producing" under a
    ///    `status` of "succeeded", and a word outranks even `finished_at`.
    /// 2. No `response`: the task is running, unless there is an error.
    /// 3. All words inside the answer. Suno finishes one song before the other and shows its URL early.
    /// 4. Without words: evidence against success, then evidence that the work continues. `success: true` is neither,
    ///    because Midjourney sends it at 35 %.
    /// 5. `finished_at`, which is set once, on success or failure. Failure is excluded at this point.
    /// 6. A result at a place for results. It comes last, because inputs and previews have URLs too.
    /// 7. Otherwise the task is still running. Another poll costs a request; a wrong end loses the result.
    func infer(from record: TaskRecord, as message: Message, httpStatus: Int) -> Observation.Verdict {
        let failed = Observation.Verdict.failed(taskFailure(record, httpStatus: httpStatus))

        if let combined = StatusVocabulary.combined(topWords(record)) {
            return verdict(combined, of: record, failed: failed)
        }
        guard record.body != nil else {
            return ReportedError(in: record.top)?.form == .object ? failed : .pending
        }
        if let combined = StatusVocabulary.combined(innerWords(record)) {
            return verdict(combined, of: record, failed: failed)
        }

        let finished = record.isStampedFinished
        let hasResults = record.hasResults(under: resultMembers)
        let success = record.success
        if let error = record.scopes.lazy.compactMap(ReportedError.init(in:)).first {
            switch error.form {
            case .object, .status: return failed
            case .text:
                // Vendor sources disagree about `{"success": false, "error": "temporary"}`: the SDK continues to poll,
                // the web front end stops. Without another sign of an end, further polls lose nothing.
                guard message == .record, success == .no, !finished else { return failed }
                return .pending
            }
        }
        switch record.progress(scale: progressScale) {
        case .percent(let percent) where percent < 100: return .pending
        case .percent(let percent) where percent > 100 && !finished: return .pending
        case .unreadable where !finished: return .pending
        case .percent, .unreadable, nil: break
        }
        switch success {
        case .no: return finished || hasResults || message == .reply ? failed : .pending
        case .unreadable: return .pending
        case .yes, .absent: break
        }
        if finished || hasResults { return .succeeded(partial: false) }
        // An inline answer may be a text or an id. A reply that only accepts the task has no payload.
        let isResult = message == .reply && (record.hasPayload || answersOnlyInline && record.hasContent)
        return isResult ? .succeeded(partial: false) : .pending
    }

    /// The words beside `response`; for a flat body, its own words.
    private func topWords(_ record: TaskRecord) -> [StatusWord] {
        rules.words.words(of: record.top)
    }

    /// The words of the answer and of each of its parts.
    func innerWords(_ record: TaskRecord) -> [StatusWord] {
        guard let body = record.body else { return [] }
        var words = record.isWrapped ? rules.words.words(of: body) : []
        if let data = body["data"]?.object, data["data"] != nil { words += rules.words.words(of: data) }
        return words + partWords(record)
    }

    private func partWords(_ record: TaskRecord) -> [StatusWord] {
        let parts = record.items.map { item in
            let words = rules.words.words(of: item)
            // A part may report its failure by an error alone.
            return words.isEmpty && ReportedError(in: item)?.form == .object ? [.failed] : words
        }
        guard parts.contains([]), parts.contains(where: { !$0.isEmpty }) else { return Array(parts.joined()) }
        // If some parts have a status, a part without one ends only with the whole task.
        return zip(parts, record.items).flatMap { words, item -> [StatusWord] in
            guard words.isEmpty else { return words }
            guard record.isStampedFinished else { return [.running] }
            return TaskRecord.holdsResult(item, resultMembers) ? [.succeeded] : []
        }
    }

    private func verdict(
        _ combined: CombinedStatus, of record: TaskRecord, failed: Observation.Verdict
    ) -> Observation.Verdict {
        switch combined {
        case .pending: return .pending
        case .failed: return failed
        case .succeeded(let partial):
            // An answer that holds only an error contradicts a word of success.
            let answer = record.body.flatMap(ReportedError.init(in:))
            if answer?.form == .object, record.success == .no, !record.hasAnyResult(under: resultMembers) {
                return failed
            }
            // Suno reports a partial success as `success: false` over one playable song.
            let somethingFailed = record.success == .no || innerWords(record).contains(.failed)
            return .succeeded(partial: partial || somethingFailed)
        }
    }
}

extension InferredDialect {
    /// Why a task failed, in the words of the most specific part of its record.
    private func taskFailure(_ record: TaskRecord, httpStatus: Int) -> TaskFailure {
        let error = (record.scopes + record.items).lazy.compactMap(ReportedError.init(in:)).first
        // Some services give the reason only as a message beside the status word.
        let reason = record.scopes.lazy.compactMap { $0["message"]?.string ?? $0["detail"]?.string }.first
        let code = error?.code ?? "provider_failed"
        return TaskFailure(
            code: code,
            message: error?.message ?? reason ?? "The provider reports that the task failed and gives no reason.",
            httpStatus: error?.httpStatus ?? httpStatus, hint: rules.codes.hint(for: code, at: rules.endpoint))
    }
}
