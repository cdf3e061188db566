import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Reads and writes statistics of endpoints and models.
extension SQLiteTransaction {
    func statistics(of endpoint: EndpointName) throws -> [StatisticsRow] {
        try StatisticsRow.fetchAll(
            db.cachedStatement(sql: "SELECT \(StatisticsRow.columns) FROM learned WHERE endpoint = ? ORDER BY model"),
            binding: [.text(endpoint.text)])
    }

    func statistics(_ keys: [StatisticsKey]) throws -> [StatisticsRow] {
        try keys.compactMap { key in
            try StatisticsRow.fetchOne(
                db.cachedStatement(
                    sql: "SELECT \(StatisticsRow.columns) FROM learned WHERE endpoint = ? AND model = ?"),
                binding: .text(key.endpoint.text), .text(key.model ?? ""))
        }
    }

    func put(_ statistics: [StatisticsRow]) throws {
        for row in statistics {
            try db.cachedStatement(
                sql: """
                    INSERT INTO learned (
                      endpoint, model, durations, wait_ms, starts_told, finished, calls, lateness_ms, lateness_samples,
                      throttled, callbacks_expected, callbacks_came, callback_trust, callback_delay_ms,
                      callback_delay_samples)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (endpoint, model) DO UPDATE SET
                      durations = excluded.durations, wait_ms = excluded.wait_ms, starts_told = excluded.starts_told,
                      finished = excluded.finished, calls = excluded.calls, lateness_ms = excluded.lateness_ms,
                      lateness_samples = excluded.lateness_samples, throttled = excluded.throttled,
                      callbacks_expected = excluded.callbacks_expected, callbacks_came = excluded.callbacks_came,
                      callback_trust = excluded.callback_trust, callback_delay_ms = excluded.callback_delay_ms,
                      callback_delay_samples = excluded.callback_delay_samples
                    """
            ).execute(arguments: [
                row.key.endpoint.text, row.key.model ?? "", row.durations, row.wait?.wholeMilliseconds, row.startsTold,
                row.finished, row.calls, row.lateness.wholeMilliseconds, row.latenessSamples, row.throttled,
                row.callbacks.expected, row.callbacks.came, row.callbacks.trust, row.callbacks.delay.wholeMilliseconds,
                row.callbacks.delaySamples,
            ])
        }
    }
}

extension StatisticsRow: ColumnDecodable {
    fileprivate static let columns = """
        endpoint, model, durations, wait_ms, starts_told, finished, calls, lateness_ms, lateness_samples, throttled,
        callbacks_expected, callbacks_came, callback_trust, callback_delay_ms, callback_delay_samples
        """

    init(_ next: inout ColumnReader) throws {
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
