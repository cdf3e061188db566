import Foundation

/// One call that the provider makes to a callback URL.
struct CallbackCall: Sendable {
    /// What it tells.
    enum Kind: String, Sendable {
        /// How the task ended.
        case end
        /// That it was taken; before the reply to the submit says so.
        case early
        /// How far it is, with `success: true`, as Midjourney streams it.
        case progress
        /// A failure, of a task that did not fail.
        case contradiction
        /// No JSON at all.
        case garbled
    }

    let kind: Kind
    /// When it is made.
    let at: Date
    /// For `progress`, from 0 to 1.
    var fraction = 1.0
    /// Whether look-ups know the task no more once it is made.
    var isLastWord = false
}

/// A call that was made, for the ledger.
struct CallbackRecord: Sendable {
    let kind: CallbackCall.Kind
    let at: Date
    /// What the receiver answered; nil where nobody did.
    let status: Int?

    var document: JSONValue {
        [
            "kind": .string(kind.rawValue), "at": .unixSeconds(at),
            "status": status.map { .integer($0) } ?? .null,
        ]
    }
}

extension SimulatedTask {
    /// Where the submit wants the end to be told; nil where it names nothing.
    var callbackURL: String? {
        guard let url = request["callback_url"]?.stringValue, !url.isEmpty else { return nil }
        return url
    }

    /// The calls for this task, in order, as its faults have it.
    ///
    /// The documents know no retries, so that each is made once.
    func callbacks(_ strikes: [FaultPlan.Strike]) -> [CallbackCall] {
        func span(_ kind: FaultKind) -> Double? {
            strikes.first { $0.kind == kind }.map(\.span.inSeconds)
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
        calls.append(CallbackCall(kind: kind, at: end, isLastWord: forgets))
        if let gap = span(.callbackTwice) { calls.append(CallbackCall(kind: kind, at: end + gap)) }
        return calls
    }

    /// The body of a call, in the shapes of the documents: the synchronous reply with the ids in it.
    func body(of call: CallbackCall) -> [UInt8] {
        let ids: JSONValue = ["task_id": .string(identity.taskID), "trace_id": .string(identity.traceID)]
        let document: JSONValue
        switch call.kind {
        case .end: document = toldEnd
        case .early: document = (["success": true] as JSONValue).appending(ids)
        case .progress:
            document = (["success": true] as JSONValue).appending(ids).appending([
                "progress": .integer(Int((call.fraction * 100).rounded())),
                "image_url": .string("https://cdn.sandbox.example/\(identity.mediaID)_progress.png"),
            ])
        case .contradiction:
            document = (["success": false] as JSONValue).appending(ids).appending(failure.errorMember(style: .plain))
        case .garbled: return Array("<html>502 Bad Gateway</html>".utf8)
        }
        return Array(document.utf8Text)
    }
}
