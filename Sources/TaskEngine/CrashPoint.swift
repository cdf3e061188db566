/// Points at which a test kills the daemon, to see that nothing is lost or paid twice.
package enum CrashPoint: String, Sendable, CaseIterable {
    /// A submission is on disk; its client has not been told.
    case afterQueued = "after-queued"
    /// The intent is on disk; not a byte has gone out.
    case beforeFirstByte = "before-first-byte"
    /// The whole request is out; no reply has come.
    case afterLastByte = "after-last-byte"
    /// The reply is there; its remote id is not on disk.
    case afterReply = "after-reply"
    /// The remote id is on disk.
    case afterAccepted = "after-accepted"
    /// A poll is about to be sent.
    case duringPoll = "during-poll"
    /// A poll's reply is there; its outcome is not on disk.
    case afterPollReply = "after-poll-reply"
    /// A notification is about to be sent.
    case beforeDelivery = "before-delivery"
    /// A notification was answered; that is not on disk.
    case afterDelivery = "after-delivery"
}
