package import TaskModel
package import TaskStore

/// Reads and writes statistics of endpoints and models.
extension SQLTransaction {
    package func statistics(of endpoint: EndpointName) throws -> [StatisticsRow] {
        try StatisticsRow.fetchAll(
            connection, "SELECT \(StatisticsRow.columns) FROM learned WHERE endpoint = ? ORDER BY model",
            [.text(endpoint.text)])
    }

    package func statistics(_ keys: [StatisticsKey]) throws -> [StatisticsRow] {
        try StatisticsRow.fetchAll(
            connection, "SELECT \(StatisticsRow.columns) FROM learned WHERE endpoint = ? AND model = ?",
            each: keys.map { [.text($0.endpoint.text), .text($0.model ?? "")] })
    }

    package func put(_ statistics: [StatisticsRow]) throws {
        for row in statistics {
            try connection.execute(
                Self.putStatistics,
                [
                    .text(row.key.endpoint.text), .text(row.key.model ?? ""), ColumnValue(row.durations),
                    ColumnValue(row.wait?.wholeMilliseconds), .real(row.startsTold), ColumnValue(row.finished),
                    .real(row.calls), .integer(row.lateness.wholeMilliseconds), ColumnValue(row.latenessSamples),
                    ColumnValue(row.throttled), ColumnValue(row.callbacks.expected), ColumnValue(row.callbacks.came),
                    .real(row.callbacks.trust), .integer(row.callbacks.delay.wholeMilliseconds),
                    ColumnValue(row.callbacks.delaySamples),
                ])
        }
    }

    private static let putStatistics = upsert(
        into: "learned", key: ["endpoint", "model"],
        others: [
            "durations", "wait_ms", "starts_told", "finished", "calls", "lateness_ms", "lateness_samples", "throttled",
            "callbacks_expected", "callbacks_came", "callback_trust", "callback_delay_ms", "callback_delay_samples",
        ])
}

extension StatisticsRow: ColumnDecodable {
    fileprivate static let columns = """
        endpoint, model, durations, wait_ms, starts_told, finished, calls, lateness_ms, lateness_samples, throttled,
        callbacks_expected, callbacks_came, callback_trust, callback_delay_ms, callback_delay_samples
        """

    package init(_ next: inout ColumnReader) throws {
        let (endpoint, model): (String, String) = (next(), next())
        guard let name = EndpointName(endpoint) else {
            throw TaskStoreError.damaged("the statistics of \(endpoint) cannot be read")
        }
        var row = StatisticsRow(key: StatisticsKey(name, model: model.isEmpty ? nil : model))
        row.durations = next.optional()
        row.wait = (next.optional() as Int64?).map { .milliseconds($0) }
        row.startsTold = next()
        row.finished = next()
        row.calls = next()
        row.lateness = .milliseconds(next() as Int64)
        row.latenessSamples = next()
        row.throttled = next()
        row.callbacks.expected = next()
        row.callbacks.came = next()
        row.callbacks.trust = next()
        row.callbacks.delay = .milliseconds(next() as Int64)
        row.callbacks.delaySamples = next()
        self = row
    }
}
