package import TaskModel

/// The endpoint, or model of an endpoint, that a row is about.
package struct StatisticsKey: Sendable, Hashable {
    package let endpoint: EndpointName
    /// Nil for all tasks of the endpoint together.
    package let model: String?

    package init(_ endpoint: EndpointName, model: String? = nil) {
        self.endpoint = endpoint
        self.model = model
    }
}

/// Statistics of an endpoint, or of one model of it. One small row, however many tasks there were.
package struct StatisticsRow: Sendable, Hashable {
    /// The most models of an endpoint that have rows. Tasks of others count for the endpoint only.
    package static let mostModels = 200

    package let key: StatisticsKey
    /// The duration model as PollingPolicy encodes it; nil before the first sample.
    package var durations: String?
    /// The usual time in the provider's queue, if it reports when tasks start.
    package var wait: Duration?
    /// The share of recent tasks whose start was seen before their end.
    package var startsTold: Double = 0
    /// Tasks that ended at the provider, well or badly.
    package var finished: Int = 0
    /// Status queries spent; one that names several tasks is shared by them.
    package var calls: Double = 0
    /// The sum of the times that ends went unnoticed, and the number of tasks in it.
    package var lateness: Duration = .zero
    package var latenessSamples: Int = 0
    /// Replies "too many requests", to submissions and status queries.
    package var throttled: Int = 0
    /// How reliable its callbacks are.
    package var callbacks = CallbackStatistics()

    /// An empty row.
    package init(key: StatisticsKey) {
        self.key = key
    }
}

/// How reliable an endpoint's callbacks are.
package struct CallbackStatistics: Sendable, Hashable {
    /// Tasks that ended at the provider and whose request had carried our callback URL.
    package var expected = 0
    /// Those of them with a callback that reported their end.
    package var came = 0
    /// 0 to 1: the probability that a callback reports the next end before a poll. Polls are spaced out by it.
    package var trust = 0.0
    /// The sum of the times from end to callback by the provider's clock, and the number of tasks in it.
    package var delay: Duration = .zero
    package var delaySamples = 0

    package init() {}
}

/// A change of one row, made in the transaction of the events that it counts.
package struct StatisticsUpdate: Sendable {
    package let key: StatisticsKey
    /// Changes the row, given the changes of the transaction.
    package let learn: @Sendable (inout StatisticsRow, [TaskChange]) -> Void

    package init(about key: StatisticsKey, _ learn: @escaping @Sendable (inout StatisticsRow, [TaskChange]) -> Void) {
        self.key = key
        self.learn = learn
    }
}
