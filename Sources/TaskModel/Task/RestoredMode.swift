/// A database that is, or may be, an older copy. Nothing paid is sent until a person accepts it.
package struct RestoredMode: Sendable, Hashable {
    /// The time of the copy's last event. Its tasks may have been sent since then.
    package var since: Timestamp
    /// The first start on the copy. Tasks that were queued then may have been sent.
    package let at: Timestamp
    /// The evidence that it is a copy, as a sentence.
    package let reason: String
    /// The witness and the backup mark found then. They distinguish this copy from others.
    package let seen: String

    package init(since: Timestamp, at: Timestamp, reason: String, seen: String) {
        self.since = since
        self.at = at
        self.reason = reason
        self.seen = seen
    }
}
