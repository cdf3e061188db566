/// The latest try to send a task's paid request, and what is known of its fate.
///
/// Earlier tries are in the task's events.
package struct Attempt: Sendable, Hashable {
    /// 1 for the first.
    package let number: Int
    /// Committed before the first byte went out.
    package let startedAt: Timestamp
    /// When its fate was known, or known to be unknown; nil while it is being sent.
    package var endedAt: Timestamp?
    /// Set where the reply was the provider's own error with a 5xx status: the task is probably refused.
    package var isProbablyRefused: Bool
    /// Complete readings of the provider's list without it.
    package var absentReadings: Int
    /// When the first of these was.
    package var firstAbsentAt: Timestamp?
    /// Whether the clock was set since it began: then nobody knows when that was by any other clock, and a list that does not
    /// show it proves nothing.
    package var clockWasSet: Bool
    /// Of the token in the callback URL that the request carried; nil where it carried none of ours.
    package var callback: CallbackDigest?
    /// Records of the provider's list that may be this attempt's, as the latest reading that showed any had them.
    package var possibleIDs: [RemoteTaskID]

    package init(
        number: Int, startedAt: Timestamp, endedAt: Timestamp? = nil, isProbablyRefused: Bool = false,
        absentReadings: Int = 0, firstAbsentAt: Timestamp? = nil, clockWasSet: Bool = false,
        callback: CallbackDigest? = nil, possibleIDs: [RemoteTaskID] = []
    ) {
        self.number = number
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.isProbablyRefused = isProbablyRefused
        self.absentReadings = absentReadings
        self.firstAbsentAt = firstAbsentAt
        self.clockWasSet = clockWasSet
        self.callback = callback
        self.possibleIDs = possibleIDs
    }

    /// So many of the records that may be an attempt's are kept and shown.
    package static let mostPossibleIDs = 10
}
