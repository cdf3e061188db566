/// An attempt without a known remote id whose task continued or ended.
///
/// The provider may still have accepted and billed it, so its part of the provider's list is read for another day.
package struct GivenUpAttempt: Sendable, Hashable {
    /// Identifies an attempt by its task and number.
    package struct Key: Sendable, Hashable {
        package let task: TaskID
        /// The number of the attempt, from 1.
        package let number: Int

        package init(task: TaskID, number: Int) {
            self.task = task
            self.number = number
        }
    }

    package let task: TaskID
    package let attempt: Attempt
    /// The account that sent it; ``AccountName/unknown`` as for ``TrackedTask/account``.
    package let account: AccountName
    /// Whether the daemon stopped while it was being sent. It then sent nothing after its timeout.
    package let endedWithDaemon: Bool
    package let givenUpAt: Timestamp
    /// The number of readings of the provider's list since then.
    package private(set) var readings: Int
    /// When to read the list next; nil after the last reading.
    package private(set) var nextReadingAt: Timestamp?

    /// Creates an attempt that is given up at that time.
    package init(
        task: TaskID, attempt: Attempt, account: AccountName = .default, endedWithDaemon: Bool, givenUpAt: Timestamp
    ) {
        self.init(
            task: task, attempt: attempt, account: account, endedWithDaemon: endedWithDaemon, givenUpAt: givenUpAt,
            readings: 0, nextReadingAt: givenUpAt + Self.readingTimes[0])
    }

    /// Restores a stored attempt.
    package init(
        task: TaskID, attempt: Attempt, account: AccountName, endedWithDaemon: Bool, givenUpAt: Timestamp,
        readings: Int, nextReadingAt: Timestamp?
    ) {
        self.task = task
        self.attempt = attempt
        self.account = account
        self.endedWithDaemon = endedWithDaemon
        self.givenUpAt = givenUpAt
        self.readings = readings
        self.nextReadingAt = nextReadingAt
    }

    package var key: Key { Key(task: task, number: attempt.number) }

    /// The times of the readings after it was given up. A late record appears within minutes; an outage may delay it by
    /// a day.
    package static let readingTimes: [Duration] = [
        .seconds(300), .seconds(1_800), .seconds(7_200), .seconds(28_800), .seconds(86_400),
    ]

    /// Records a complete reading that did not show it. Missed readings are not repeated.
    package mutating func wasRead(at now: Timestamp) {
        repeat {
            readings += 1
        } while readings < Self.readingTimes.count && givenUpAt + Self.readingTimes[readings] <= now
        nextReadingAt = readings < Self.readingTimes.count ? givenUpAt + Self.readingTimes[readings] : nil
    }

    /// Records an incomplete reading. It is repeated with growing gaps for a day.
    package mutating func couldNotBeRead(at now: Timestamp) {
        let age = max(now - givenUpAt, .zero)
        nextReadingAt =
            age < Self.readingTimes[Self.readingTimes.count - 1] ? now + max(Self.readingTimes[0], age / 2) : nil
    }
}
