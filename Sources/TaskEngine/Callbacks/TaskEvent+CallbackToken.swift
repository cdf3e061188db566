import TaskModel
import TaskStore
import VerbatimJSON

extension EngineContext {
    /// The event as it may be stored: providers echo the request in their records, callback URL and all, and of a token
    /// nothing but its digest is ever written down. Everything else of a record stays as it came.
    func withoutToken(_ event: PlannedEvent) -> PlannedEvent {
        guard let callbacks else { return event }
        return PlannedEvent(event.event.withoutToken(of: callbacks), for: event.task, nextDueAt: event.nextDueAt)
    }
}

extension TaskEvent {
    /// The event with every token of ours taken out of the record that it brings.
    fileprivate func withoutToken(of callbacks: CallbackWatch) -> TaskEvent {
        switch self {
        case .observed(let observation): .observed(callbacks.censored(observation))
        case .submissionAnswered(let observation, let id):
            .submissionAnswered(callbacks.censored(observation), remoteID: id)
        case .endedByCallback(let observation): .endedByCallback(callbacks.censored(observation))
        default: self
        }
    }
}

extension CallbackWatch {
    /// What was observed, with every token of ours taken out of the record.
    func censored(_ observation: Observation) -> Observation {
        guard let record = censored(observation.record) else { return observation }
        var censored = observation
        censored.record = record
        return censored
    }

    /// The value with a mark in place of each token; nil where there is none, which costs no copy.
    private func censored(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .null, .bool, .number:
            return nil
        case .string(let text):
            return text.hasPrefix(prefix) ? .string(prefix + Self.mark) : nil
        case .array(let elements):
            let changed = elements.map(censored)
            guard changed.contains(where: { $0 != nil }) else { return nil }
            return .array(zip(elements, changed).map { $1 ?? $0 })
        case .object(let object):
            let changed = object.members.map { censored($0.value) }
            guard changed.contains(where: { $0 != nil }) else { return nil }
            return .object(JSONObject(zip(object.members, changed).map { ($0.name, $1 ?? $0.value) }))
        }
    }

    private var prefix: String { "\(publicURL)/callbacks/" }
    private static let mark = "(token)"
}
