/// An attempt whose task went on, or ended, without the id that the attempt may have had at the provider.
///
/// The provider may still have accepted and billed it, so its place in the provider's list is read again for a day.
package struct GivenUpAttempt: Sendable, Hashable {
    /// Which attempt of which task.
    package struct Key: Sendable, Hashable {
        package let task: TaskID
        /// 1 for the first.
        package let number: Int

        package init(task: TaskID, number: Int) {
            self.task = task
            self.number = number
        }
    }

    package let task: TaskID
    package let attempt: Attempt
    /// Whether the daemon stopped while the request was being sent: nothing was sent later than its time-out then.
    package let endedWithDaemon: Bool
    package let givenUpAt: Timestamp
    /// Readings of the provider's list since then.
    package private(set) var readings: Int
    /// When its place is read next; nil once every reading was made.
    package private(set) var nextReadingAt: Timestamp?

    /// An attempt that is given up at that time.
    package init(task: TaskID, attempt: Attempt, endedWithDaemon: Bool, givenUpAt: Timestamp) {
        self.init(
            task: task, attempt: attempt, endedWithDaemon: endedWithDaemon, givenUpAt: givenUpAt, readings: 0,
            nextReadingAt: givenUpAt + Self.readingTimes[0])
    }

    /// One as it was stored.
    package init(
        task: TaskID, attempt: Attempt, endedWithDaemon: Bool, givenUpAt: Timestamp, readings: Int,
        nextReadingAt: Timestamp?
    ) {
        self.task = task
        self.attempt = attempt
        self.endedWithDaemon = endedWithDaemon
        self.givenUpAt = givenUpAt
        self.readings = readings
        self.nextReadingAt = nextReadingAt
    }

    package var key: Key { Key(task: task, number: attempt.number) }

    /// How long after it was given up its place is read again: a record that is late appears within minutes, and one that
    /// was held back by an outage within a day.
    package static let readingTimes: [Duration] = [
        .seconds(300), .seconds(1_800), .seconds(7_200), .seconds(28_800), .seconds(86_400),
    ]

    /// Its place was read, and no record of it was there. Readings that were missed are not made up for.
    package mutating func wasRead(at now: Timestamp) {
        repeat {
            readings += 1
        } while readings < Self.readingTimes.count && givenUpAt + Self.readingTimes[readings] <= now
        nextReadingAt = readings < Self.readingTimes.count ? givenUpAt + Self.readingTimes[readings] : nil
    }

    /// Its place could not be read to the end. It is tried again less and less often, and for a day.
    package mutating func couldNotBeRead(at now: Timestamp) {
        let age = max(now - givenUpAt, .zero)
        nextReadingAt =
            age < Self.readingTimes[Self.readingTimes.count - 1] ? now + max(Self.readingTimes[0], age / 2) : nil
    }
}
