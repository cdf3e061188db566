/// The duration of one task, as far as it is known.
package struct DurationSample: Sendable, Hashable {
    /// How the task ended.
    package enum Ending: Sendable, Hashable {
        case succeeded
        case failed
        /// It was given up before it ended, by a deadline or a cancellation.
        case censored
    }

    /// How it ended.
    package let ending: Ending
    /// It took longer than this.
    package let atLeast: Duration
    /// It took no longer than this; nil if it was given up.
    package let atMost: Duration?

    /// A task whose provider reported its times.
    package static func exact(_ duration: Duration, succeeded: Bool) -> Self {
        let duration = max(duration, .zero)
        return Self(ending: succeeded ? .succeeded : .failed, atLeast: duration, atMost: duration)
    }

    /// A task that was pending at age `after` and had ended at age `by`.
    package static func interval(after: Duration, by: Duration, succeeded: Bool) -> Self {
        let low = max(min(after, by), .zero)
        return Self(ending: succeeded ? .succeeded : .failed, atLeast: low, atMost: max(low, by))
    }

    /// A task that was given up at that age without an end.
    package static func censored(at age: Duration) -> Self {
        Self(ending: .censored, atLeast: max(age, .zero), atMost: nil)
    }
}
