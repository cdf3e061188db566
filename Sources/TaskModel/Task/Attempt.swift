/// The latest attempt to send a task's paid request, and its known outcome.
///
/// Earlier attempts are in the task's events.
package struct Attempt: Sendable, Hashable {
    /// The number of the attempt, from 1.
    package let number: Int
    /// Committed before the first byte was sent.
    package let startedAt: Timestamp
    /// When its outcome was known, or declared unknown; nil while it is being sent.
    package var endedAt: Timestamp?
    /// Whether the reply was a 5xx error of the provider, so the task was probably rejected.
    package var isProbablyRefused: Bool
    /// The number of complete readings of the provider's list that do not show it.
    package var absentReadings: Int
    /// The time of the first such reading.
    package var firstAbsentAt: Timestamp?
    /// The changes of the wall clock since it began.
    package var clock: ClockDrift
    /// The digest of its callback token; nil if the request has no callback URL of Pollux.
    package var callback: CallbackDigest?
    /// Records that may be this attempt's, from the latest reading that showed any.
    package var possibleIDs: [RemoteTaskID]
    /// The lease under which it was started; nil for attempts of earlier versions.
    package var lease: LeaseToken?

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

    /// The maximum number of possible records that are stored and shown.
    package static let maxPossibleIDs = 10

    /// The sum of the wall clock's jumps since it began.
    package var clockDrift: Duration { clock.sum }

    /// The period in which it may have reached the provider. `end` is its end by the local clock.
    ///
    /// The wall clock may have been set in between. The start was measured before any change, the end after any of
    /// them.
    package func period(until end: Timestamp) -> ClosedRange<Timestamp> {
        startedAt + clock.lowest...max(end, startedAt) + (clock.highest - clock.lowest)
    }

    /// The same attempt with another start.
    package func started(at start: Timestamp) -> Attempt {
        Attempt(
            number: number, startedAt: start, endedAt: endedAt, isProbablyRefused: isProbablyRefused, clock: clock,
            callback: callback, possibleIDs: possibleIDs)
    }

    /// Records a change of the wall clock while the outcome is open.
    ///
    /// The measurement of absence continues. It restarts if the jumps exceed the tolerance, because earlier readings
    /// may have searched the wrong times.
    package mutating func clockJumped(by jump: Duration) {
        firstAbsentAt = firstAbsentAt.map { $0 + jump }
        guard clock.add(jump) else { return }
        absentReadings = 0
        firstAbsentAt = nil
    }
}
