package import TaskModel
import VerbatimJSON

/// Replaces callback tokens in stored documents. Providers echo the request in their records, including the callback
/// URL, and only the digest of a token may be stored.
///
/// It recognises our URLs by their form on any host, because the public URL may have changed or callbacks may be off.
/// The rest of a record stays unchanged.
enum TokenRedactor {
    /// The value with a mark in place of each token; nil if there is none, which avoids a copy.
    static func redacted(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .null, .bool, .number:
            return nil
        case .string(let text):
            return redacted(text).map { .string($0) }
        case .array(let elements):
            let changed = elements.map(redacted)
            guard changed.contains(where: { $0 != nil }) else { return nil }
            return .array(zip(elements, changed).map { $1 ?? $0 })
        case .object(let object):
            let changed = object.members.map { redacted($0.value) }
            guard changed.contains(where: { $0 != nil }) else { return nil }
            return .object(JSONObject(zip(object.members, changed).map { ($0.name, $1 ?? $0.value) }))
        }
    }

    /// The text with a mark in place of each token; nil if there is none.
    static func redacted(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        guard bytes.count > tokenLength else { return nil }
        var kept: [UInt8] = []
        var begin = 0
        var place = 0
        while let found = next(in: bytes, from: place) {
            place = found.upperBound
            kept += bytes[begin..<found.lowerBound] + mark
            begin = found.upperBound
        }
        guard begin > 0 else { return nil }
        return String(decoding: kept + bytes[begin...], as: UTF8.self)
    }

    /// Finds the next token: exactly 43 base64url characters after the path of callback URLs. In a text that is itself
    /// JSON, the slash may be escaped.
    private static func next(in bytes: [UInt8], from start: Int) -> Range<Int>? {
        var place = start
        while place + path.count + 1 + tokenLength <= bytes.count {
            guard bytes[place] == path[0], bytes[place..<(place + path.count)].elementsEqual(path) else {
                place += 1
                continue
            }
            place += path.count
            if bytes[place] == UInt8(ascii: "\\") { place += 1 }
            guard bytes[place] == UInt8(ascii: "/") else { continue }
            let token = bytes[(place + 1)...].prefix(while: isLetter)
            if token.count == tokenLength { return token.startIndex..<token.endIndex }
        }
        return nil
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static let path = Array("/callbacks".utf8)
    private static let mark = Array("(token)".utf8)
    private static let tokenLength = 43
}

extension ScheduledEvent {
    /// The event as it may be stored.
    var redacted: ScheduledEvent {
        var event = event.redacted.map { replacing(event: $0) } ?? self
        event.reply = reply?.redacted
        return event
    }
}

extension SubmissionReply {
    /// The reply with tokens taken out of its body.
    fileprivate var redacted: SubmissionReply {
        guard let text = String(validating: body, as: UTF8.self).flatMap({ TokenRedactor.redacted($0) }) else {
            return self
        }
        return SubmissionReply(status: status, contentType: contentType, body: Array(text.utf8))
    }
}

extension TaskEvent {
    /// The event without tokens; nil if it cannot contain any.
    fileprivate var redacted: TaskEvent? {
        switch self {
        case .observed(let observation): .observed(observation.redacted)
        case .submissionAnswered(let observation, let id): .submissionAnswered(observation.redacted, remoteID: id)
        case .endedByCallback(let observation): .endedByCallback(observation.redacted)
        case .calledBack(let delivery): .calledBack(delivery.redacted)
        case .submissionNotAccepted(let failure): .submissionNotAccepted(failure.redacted)
        case .submissionRefused(let failure): .submissionRefused(failure.redacted)
        case .submissionInterrupted(let failure, let isProbablyRefused):
            .submissionInterrupted(failure.redacted, isProbablyRefused: isProbablyRefused)
        default: nil
        }
    }
}

extension CallbackDelivery {
    fileprivate var redacted: CallbackDelivery {
        guard let observation else { return self }
        return CallbackDelivery(attempt: attempt, remoteID: remoteID, observation: observation.redacted)
    }
}

extension Observation {
    /// The observation without tokens in its record and its failure.
    fileprivate var redacted: Observation {
        var observation = self
        if let record = TokenRedactor.redacted(record) { observation.record = record }
        observation.results = results.map(\.redacted)
        if case .failed(let failure) = verdict { observation.verdict = .failed(failure.redacted) }
        return observation
    }
}

extension TaskResult {
    /// The result without tokens in its value.
    fileprivate var redacted: TaskResult {
        guard let text = TokenRedactor.redacted(value) else { return self }
        return TaskResult(
            kind: kind, pointer: pointer, value: text, mediaType: mediaType, sizeInBytes: sizeInBytes)
    }
}

extension TaskFailure {
    /// The failure without tokens in its message.
    package var redacted: TaskFailure {
        guard let text = TokenRedactor.redacted(message) else { return self }
        return TaskFailure(code: code, message: text, httpStatus: httpStatus, hint: hint)
    }
}
