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
}
