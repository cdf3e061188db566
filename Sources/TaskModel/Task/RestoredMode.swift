/// A database that is, or may be, an older copy. Nothing paid is sent until a person accepts it.
package struct RestoredMode: Sendable, Hashable {
    /// Tasks of the copy may have been sent since then: its last event.
    package var since: Timestamp
    /// The first start on the copy. Tasks that were queued then may have been sent.
    package let at: Timestamp
    /// What shows that it is a copy, as a sentence.
    package let reason: String
    /// The witness and the backup mark that were found then, which tell one copy from another.
    package let seen: String

    package init(since: Timestamp, at: Timestamp, reason: String, seen: String) {
        self.since = since
        self.at = at
        self.reason = reason
        self.seen = seen
    }
}
