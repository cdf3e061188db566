/// The points at which a test kills the daemon, to show that nothing is lost or paid twice.
package enum CrashPoint: String, Sendable, CaseIterable {
    /// A submission is on disk; its client has no response yet.
    case afterQueued = "after-queued"
    /// The intent is on disk; no byte has been sent.
    case beforeFirstByte = "before-first-byte"
    /// The whole request was sent; no reply has arrived.
    case afterLastByte = "after-last-byte"
    /// The reply has arrived; its remote id is not on disk.
    case afterReply = "after-reply"
    /// The remote id is on disk.
    case afterAccepted = "after-accepted"
    /// A poll is about to be sent.
    case duringPoll = "during-poll"
    /// A poll's reply has arrived; its outcome is not on disk.
    case afterPollReply = "after-poll-reply"
    /// A part of a file of a result is written.
    case duringDownload = "during-download"
    /// The whole file is synced; no object is linked to it.
    case afterDownload = "after-download"
    /// The object is linked; it has no name for people.
    case afterObject = "after-object"
    /// The object and its name are there; the result is not stored as saved.
    case afterName = "after-name"
    /// The result is stored as saved.
    case afterSaved = "after-saved"
    /// A long value of a record is in its file; the record is not stored.
    case afterPart = "after-part"
    /// A file is marked for removal; it is still there.
    case afterMark = "after-mark"
    /// A file is gone; that is not stored.
    case afterUnlink = "after-unlink"
    /// A notification is about to be sent.
    case beforeDelivery = "before-delivery"
    /// A notification was answered; that is not on disk.
    case afterDelivery = "after-delivery"
}
