import TaskModel
import VerbatimJSON

/// In what capacity a body speaks of a task.
enum Message: Hashable {
    /// A task's record, asked for at a moment of our choosing: it may describe work in progress.
    case record
    /// The whole answer to a submission, or a callback: what it leaves open will not be told again this way.
    case reply
}

extension EndpointProfile {
    /// Judges a task by what its record says, strongest evidence first.
    ///
    /// 1. The provider's own bookkeeping word, beside `response`, decides: Maestro's `progress.stage` still says
    ///    "producing" under a `status` of "succeeded", and a word outranks even `finished_at`.
    /// 2. Without a `response` there is nothing to judge, unless an error stands beside it.
    /// 3. The words inside the answer, all of them: Suno finishes one song before the other and shows its URL early.
    /// 4. Without words: what speaks against success, and then what says that the work goes on. `success: true` says
    ///    neither: Midjourney sends it at 35 %.
    /// 5. `finished_at`, which is stamped once, on success and on failure; failures are ruled out by now.
    /// 6. A result where results belong. Last, since inputs, previews and intermediate images have URLs too.
    /// 7. Otherwise the task is still running: asking again costs a request, a wrong end costs the result.
    func judge(_ record: TaskRecord, as message: Message, httpStatus: Int) -> Observation.Verdict {
        let failed = Observation.Verdict.failed(taskFailure(record, httpStatus: httpStatus))

        if let ruling = StateWords.ruling(over: topWords(record)) {
            return verdict(ruling, of: record, failed: failed)
        }
        guard record.body != nil else {
            return ReportedError(in: record.top)?.form == .object ? failed : .pending
        }
        if let ruling = StateWords.ruling(over: innerWords(record)) {
            return verdict(ruling, of: record, failed: failed)
        }

        let finished = record.isStampedFinished
        let hasResults = record.hasResults(under: reading.resultMembers)
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
        switch record.progress(scale: reading.progressScale) {
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
    private func topWords(_ record: TaskRecord) -> [StateWord] {
        reading.words.words(of: record.top)
    }

    /// The words of the answer and of each of its parts.
    func innerWords(_ record: TaskRecord) -> [StateWord] {
        guard let body = record.body else { return [] }
        var words = record.isWrapped ? reading.words.words(of: body) : []
        if let data = body["data"]?.object, data["data"] != nil { words += reading.words.words(of: data) }
        return words + partWords(record)
    }

    private func partWords(_ record: TaskRecord) -> [StateWord] {
        let parts = record.items.map { item in
            let words = reading.words.words(of: item)
            // A part that failed may tell so by its error alone.
            return words.isEmpty && ReportedError(in: item)?.form == .object ? [.failed] : words
        }
        guard parts.contains([]), parts.contains(where: { !$0.isEmpty }) else { return Array(parts.joined()) }
        // Where some parts tell their state, one that does not has ended only if the whole has.
        return zip(parts, record.items).flatMap { words, item -> [StateWord] in
            guard words.isEmpty else { return words }
            guard record.isStampedFinished else { return [.running] }
            return TaskRecord.holdsResult(item, reading.resultMembers) ? [.succeeded] : []
        }
    }

    private func verdict(
        _ ruling: Ruling, of record: TaskRecord, failed: Observation.Verdict
    ) -> Observation.Verdict {
        switch ruling {
        case .pending: return .pending
        case .failed: return failed
        case .succeeded(let partial):
            // A word of success over an answer that is nothing but an error is contradicted by it.
            let answer = record.body.flatMap(ReportedError.init(in:))
            if answer?.form == .object, record.success == .no, !record.hasAnyResult(under: reading.resultMembers) {
                return failed
            }
            // Suno tells a half success by `success: false` over one playable song.
            let somethingFailed = record.success == .no || innerWords(record).contains(.failed)
            return .succeeded(partial: partial || somethingFailed)
        }
    }
}
