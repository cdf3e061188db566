package import TaskModel

/// Whose experience it is.
package struct LearnedKey: Sendable, Hashable {
    package let endpoint: EndpointName
    /// Nil for all tasks of the endpoint together.
    package let model: String?

    package init(_ endpoint: EndpointName, model: String? = nil) {
        self.endpoint = endpoint
        self.model = model
    }
}

/// What has been learned of an endpoint, or of one model there: one small row, however many tasks there were.
package struct Learned: Sendable, Hashable {
    package let key: LearnedKey
    /// How long tasks take, in the form that the polling policy writes; nil before the first.
    package var durations: String?
    /// How long tasks usually stand in the provider's queue, where it tells when they begin.
    package var wait: Duration?
    /// The share of recent tasks with a record that showed their start before their end.
    package var startsTold: Double = 0
    /// Tasks that ended at the provider, well or badly.
    package var finished: Int = 0
    /// Status queries spent; one that names several tasks is shared by them.
    package var calls: Double = 0
    /// How long ends went unnoticed, summed up, and of how many tasks that is known.
    package var lateness: Duration = .zero
    package var latenessSamples: Int = 0
    /// Answers "too many requests", to submissions and status queries.
    package var throttled: Int = 0
    /// How its callbacks have done.
    package var callbacks = CallbackExperience()

    /// Nothing learned yet.
    package init(key: LearnedKey) {
        self.key = key
    }
}

/// How far an endpoint's callbacks can be relied on.
package struct CallbackExperience: Sendable, Hashable {
    /// Tasks that ended at the provider and whose request had carried our callback URL.
    package var expected = 0
    /// Those of them with a callback that reported their end.
    package var came = 0
    /// 0 to 1: the chance that a callback tells of the next end before a poll would; what polling thins by.
    package var trust = 0.0
    /// From the end to its delivery, by the provider's clock, summed up, and of how many tasks it is known.
    package var delay: Duration = .zero
    package var delaySamples = 0

    package init() {}
}

/// What is to be learned, as a change of a row that is read and written in the transaction of the events that teach it.
package struct Lesson: Sendable {
    package let key: LearnedKey
    /// Changes the row, given the changes of the transaction.
    package let learn: @Sendable (inout Learned, [TaskChange]) -> Void

    package init(about key: LearnedKey, _ learn: @escaping @Sendable (inout Learned, [TaskChange]) -> Void) {
        self.key = key
        self.learn = learn
    }
}
