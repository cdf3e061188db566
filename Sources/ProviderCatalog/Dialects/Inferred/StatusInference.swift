import TaskModel
import VerbatimJSON

/// What kind of message a body is.
enum Message: Hashable {
    /// A task's record, asked for at a moment of our choosing: it may describe work in progress.
    case record
    /// The whole reply to a submission, or a callback: no later message of this kind will complete it.
    case reply
}

extension InferredDialect {
    /// Infers a task's state from what its record says, strongest evidence first.
    ///
    /// 1. The provider's own bookkeeping word, beside `response`, decides: Maestro's `progress.stage` still says
    ///    "producing" under a `status` of "succeeded", and a word outranks even `finished_at`.
    /// 2. Without a `response` the task is running, unless an error stands beside it.
    /// 3. The words inside the answer, all of them: Suno finishes one song before the other and shows its URL early.
    /// 4. Without words: what speaks against success, and then what says that the work goes on. `success: true` says
    ///    neither: Midjourney sends it at 35 %.
    /// 5. `finished_at`, which is stamped once, on success and on failure; failures are ruled out by now.
    /// 6. A result where results belong. Last, since inputs, previews and intermediate images have URLs too.
    /// 7. Otherwise the task is still running: asking again costs a request, a wrong end costs the result.
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
                // Vendor sources disagree about `{"success": false, "error": "temporary"}`: the SDK polls on, the web
                // front end gives up. While nothing says that it ended, polling on loses nothing.
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
        // An inline answer may be a text or an id; one that merely accepts has no payload at all.
        let isResult = message == .reply && (record.hasPayload || answersOnlyInline && record.hasContent)
        return isResult ? .succeeded(partial: false) : .pending
    }

    /// The words beside `response`; of a flat body, its own.
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
            // A part that failed may tell so by its error alone.
            return words.isEmpty && ReportedError(in: item)?.form == .object ? [.failed] : words
        }
        guard parts.contains([]), parts.contains(where: { !$0.isEmpty }) else { return Array(parts.joined()) }
        // Where some parts tell their state, one that does not has ended only if the whole has.
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
    /// Why a task failed, in the words of the part of its record that tells most.
    private func taskFailure(_ record: TaskRecord, httpStatus: Int) -> TaskFailure {
        let error = (record.scopes + record.items).lazy.compactMap(ReportedError.init(in:)).first
        // Some services say why only as a message beside the failing word.
        let reason = record.scopes.lazy.compactMap { $0["message"]?.string ?? $0["detail"]?.string }.first
        let code = error?.code ?? "provider_failed"
        return TaskFailure(
            code: code,
            message: error?.message ?? reason ?? "The provider reports that the task failed and does not say why.",
            httpStatus: error?.httpStatus ?? httpStatus, hint: rules.codes.hint(for: code, at: rules.endpoint))
    }
}
