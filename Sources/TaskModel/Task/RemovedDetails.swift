/// RemovedDetails says which details of an ended task were removed, and when.
package struct RemovedDetails: Sendable, Hashable {
    /// Parts of a task beyond what always stays: its id, state, times, labels, endpoint, remote id and counts.
    package struct Parts: OptionSet, Sendable, Hashable {
        package let rawValue: Int

        package init(rawValue: Int) { self.rawValue = rawValue }

        /// The provider's record and the results.
        package static let response = Parts(rawValue: 1)
        /// The lines of the log.
        package static let events = Parts(rawValue: 2)
        /// The request, the note, the provider's failure message, callback tokens and settled attempts.
        package static let request = Parts(rawValue: 4)
        /// Everything that can be removed.
        package static let all: Parts = [.response, .events, .request]
        /// The idempotency key. It is not a detail, and is removed later.
        package static let key = Parts(rawValue: 8)
    }

    package var parts: Parts
    /// When the latest part was removed.
    package var at: Timestamp

    package init(parts: Parts, at: Timestamp) {
        self.parts = parts
        self.at = at
    }

    /// The value after the task gets a response again; nil if nothing else was removed.
    package var withoutResponse: RemovedDetails? {
        let rest = parts.subtracting(.response)
        return rest.isEmpty ? nil : RemovedDetails(parts: rest, at: at)
    }
}

extension TrackedTask {
    /// Whether all its details were removed. It still owns its remote id, and its idempotency key until that is
    /// removed.
    package var isStub: Bool { lacks(.all) }

    /// Whether all these parts were removed.
    package func lacks(_ parts: RemovedDetails.Parts) -> Bool { removed?.parts.isSuperset(of: parts) ?? false }

    /// Clears the fields of the row that belong to these parts.
    package mutating func remove(_ parts: RemovedDetails.Parts, at now: Timestamp) {
        removed = RemovedDetails(parts: (removed?.parts ?? []).union(parts), at: now)
        guard parts.contains(.request) else { return }
        note = nil
        pollURL = nil
        attempt = nil
        // A failure message of a provider may quote the request. The code stays, because it decides who owns the remote
        // id.
        failure = failure.map { TaskFailure(code: $0.code, message: Self.removedMessage, httpStatus: $0.httpStatus) }
    }

    private static let removedMessage = "The message was removed with the other details."
}
