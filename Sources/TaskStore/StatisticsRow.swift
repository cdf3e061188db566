package import TaskModel

/// The endpoint, or the model of an endpoint, that a row belongs to.
package struct StatisticsKey: Sendable, Hashable {
    package let endpoint: EndpointName
    /// Nil for all tasks of the endpoint together.
    package let model: String?

    package init(_ endpoint: EndpointName, model: String? = nil) {
        self.endpoint = endpoint
        self.model = model
    }
}

/// Statistics of an endpoint or of one of its models. The row has a fixed size.
package struct StatisticsRow: Sendable, Hashable {
    /// The maximum number of models of an endpoint with rows. Tasks of other models count for the endpoint only.
    package static let mostModels = 200

    package let key: StatisticsKey
    /// The duration model as PollingPolicy encodes it; nil before the first sample.
    package var durations: String?
    /// The usual time in the provider's queue, if it reports when tasks start.
    package var wait: Duration?
    /// The share of recent tasks whose start was seen before their end.
    package var startsTold: Double = 0
    /// The number of tasks that ended at the provider, in success or failure.
    package var finished: Int = 0
    /// The number of status queries. The tasks of a batch share one.
    package var calls: Double = 0
    /// The sum of the delays until an end was noticed, and the number of tasks in it.
    package var lateness: Duration = .zero
    package var latenessSamples: Int = 0
    /// The number of throttled replies to submissions and status queries.
    package var throttled: Int = 0
    /// The reliability of its callbacks.
    package var callbacks = CallbackStatistics()

    /// An empty row.
    package init(key: StatisticsKey) {
        self.key = key
    }
}

/// The reliability of an endpoint's callbacks.
package struct CallbackStatistics: Sendable, Hashable {
    /// The number of tasks that ended at the provider and whose request had our callback URL.
    package var expected = 0
    /// The number of those with a callback that reported the end.
    package var came = 0
    /// The probability, 0 to 1, that a callback reports the next end before a poll. Polls become rarer as it grows.
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
