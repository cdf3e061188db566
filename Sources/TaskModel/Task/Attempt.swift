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
    /// How far the wall clock was set since it began.
    package var clock: ClockDrift
    /// Of the token in the callback URL that the request carried; nil where it carried none of ours.
    package var callback: CallbackDigest?
    /// Records of the provider's list that may be this attempt's, as the latest reading that showed any had them.
    package var possibleIDs: [RemoteTaskID]

    package init(
        number: Int, startedAt: Timestamp, endedAt: Timestamp? = nil, isProbablyRefused: Bool = false,
        absentReadings: Int = 0, firstAbsentAt: Timestamp? = nil, clock: ClockDrift = ClockDrift(),
        callback: CallbackDigest? = nil, possibleIDs: [RemoteTaskID] = []
    ) {
        self.number = number
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.isProbablyRefused = isProbablyRefused
        self.absentReadings = absentReadings
        self.firstAbsentAt = firstAbsentAt
        self.clock = clock
        self.callback = callback
        self.possibleIDs = possibleIDs
    }

    /// So many of the records that may be an attempt's are kept and shown.
    package static let mostPossibleIDs = 10

    /// The sum of the jumps of the wall clock since it began.
    package var clockDrift: Duration { clock.sum }

    /// When it can have reached the provider by any clock that was in force since, if by ours it was over at `end`.
    ///
    /// The start is a time of the first of these clocks, the end may be a time of any of them.
    package func period(until end: Timestamp) -> ClosedRange<Timestamp> {
        startedAt + clock.lowest...max(end, startedAt) + (clock.highest - clock.lowest)
    }

    /// The wall clock was set while its fate was open.
    ///
    /// The measurement of its absence goes on. It starts again where the jumps add up to more than the tolerance, since the
    /// readings before searched the list for other times than it may stand at.
    package mutating func clockJumped(by jump: Duration) {
        firstAbsentAt = firstAbsentAt.map { $0 + jump }
        guard clock.add(jump) else { return }
        absentReadings = 0
        firstAbsentAt = nil
    }
}
