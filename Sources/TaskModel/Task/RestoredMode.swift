/// A database that is, or may be, an older copy. Nothing paid is sent until a person accepts it, or until the journals of all
/// machines have shown what it lacks.
package struct RestoredMode: Sendable, Hashable {
    /// The time of the copy's last event. Its tasks may have been sent since then.
    package var since: Timestamp
    /// The first start on the copy. Tasks that were queued then may have been sent.
    package let at: Timestamp
    /// The evidence that it is a copy, as a sentence.
    package let reason: String
    /// The witness and the backup mark found then. They distinguish this copy from others.
    package let seen: String
    /// What the mode waits for; nil if only a person ends it.
    package var journals: JournalWait?

    package init(since: Timestamp, at: Timestamp, reason: String, seen: String, journals: JournalWait? = nil) {
        self.since = since
        self.at = at
        self.reason = reason
        self.seen = seen
        self.journals = journals
    }
}

/// The wait until the machines have compared their journals of attempts with a shared database on another server.
package struct JournalWait: Sendable, Hashable {
    /// The processes whose machines have not done so.
    package var awaited: [AwaitedProcess]
    /// The wait lasts at least until then, by the clock of the database: machines that it does not know may come.
    package let until: Timestamp

    package init(awaited: [AwaitedProcess], until: Timestamp) {
        self.awaited = awaited
        self.until = until
    }

    /// The awaited processes as a text for messages; nil if all have come.
    package var words: String? { awaited.isEmpty ? nil : awaited.map(\.name).joined(separator: ", ") }
}

/// A process whose machine has not compared its journal.
package struct AwaitedProcess: Sendable, Hashable {
    package let token: LeaseToken
    /// The process and its machine, as "process 12 on host".
    package let name: String

    package init(token: LeaseToken, name: String) {
        self.token = token
        self.name = name
    }

    /// Whether a person means it: by its whole name, or by that of its machine.
    package func isNamed(_ text: String) -> Bool { name == text || name.hasSuffix(" on \(text)") }
}
