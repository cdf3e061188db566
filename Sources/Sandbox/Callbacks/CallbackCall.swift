import Foundation

/// One request from the provider to a callback URL.
struct CallbackCall: Sendable {
    /// What the callback reports.
    enum Kind: String, Sendable {
        /// The final result or failure.
        case end
        /// The task was accepted. Sent before the reply to the submit.
        case early
        /// Progress with `success: true`, as Midjourney streams it.
        case progress
        /// A failure for a task that did not fail.
        case contradiction
        /// A body that is not JSON.
        case garbled
    }

    let kind: Kind
    /// When the call is made.
    let at: Date
    /// For `progress`, from 0 to 1.
    var fraction = 1.0
    /// Whether look-ups stop finding the task after this call.
    var hidesTaskAfterwards = false
}

/// A completed callback request, for the ledger.
struct CallbackRecord: Sendable {
    let kind: CallbackCall.Kind
    let at: Date
    /// The HTTP status of the response; nil if there was none.
    let status: Int?

    var document: JSONValue {
        [
            "kind": .string(kind.rawValue), "at": .unixSeconds(at),
            "status": status.map { .integer($0) } ?? .null,
        ]
    }
}

extension SimulatedTask {
    /// The callback URL that the submit names, if any.
    var callbackURL: String? {
        guard let url = request["callback_url"]?.stringValue, !url.isEmpty else { return nil }
        return url
    }

    /// The calls for this task in order, with its faults applied.
    ///
    /// Each call is made once: the provider's documents describe no retries.
    func callbacks(_ faults: [FaultPlan.Fault]) -> [CallbackCall] {
        func span(_ kind: FaultKind) -> Double? {
            faults.first { $0.kind == kind }.map(\.span.inSeconds)
        }
        func moment(_ fraction: Double) -> Date { startedAt + fraction * finishedAt.timeIntervalSince(startedAt) }
        let end = finishedAt + (span(.callbackLate) ?? 0)
        var calls: [CallbackCall] = []
        if span(.callbackEarly) != nil { calls.append(CallbackCall(kind: .early, at: createdAt)) }
        if span(.callbackLie) != nil { calls.append(CallbackCall(kind: .progress, at: moment(0.35), fraction: 0.35)) }
        if span(.callbackProgress) != nil {
            for fraction in [0.35, 0.75] {
                calls.append(CallbackCall(kind: .progress, at: moment(fraction), fraction: fraction))
            }
        }
        if span(.callbackContradiction) != nil { calls.append(CallbackCall(kind: .contradiction, at: end)) }
        guard span(.callbackMissing) == nil else { return calls }
        let forgets = span(.callbackForget) != nil
        let kind: CallbackCall.Kind = span(.callbackGarbled) == nil ? .end : .garbled
        calls.append(CallbackCall(kind: kind, at: end, hidesTaskAfterwards: forgets))
        if let gap = span(.callbackTwice) { calls.append(CallbackCall(kind: kind, at: end + gap)) }
        return calls
    }

    /// The body of a call. Its shape is the documented synchronous reply, plus the ids.
    func body(of call: CallbackCall) -> [UInt8] {
        let ids: JSONValue = ["task_id": .string(identity.taskID), "trace_id": .string(identity.traceID)]
        let document: JSONValue
        switch call.kind {
        case .end: document = finalCallbackBody
        case .early: document = (["success": true] as JSONValue).appending(ids)
        case .progress:
            document = (["success": true] as JSONValue).appending(ids).appending([
                "progress": .integer(Int((call.fraction * 100).rounded())),
                "image_url": .string("\(filesURL)/\(identity.mediaID)_progress.png"),
            ])
        case .contradiction:
            document = (["success": false] as JSONValue).appending(ids).appending(failure.errorMember(style: .plain))
        case .garbled: return Array("<html>502 Bad Gateway</html>".utf8)
        }
        return Array(document.utf8Text)
    }
}
