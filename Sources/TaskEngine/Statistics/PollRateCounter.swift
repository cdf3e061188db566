import Synchronization
import TaskModel

/// Counts the status queries of each service, since the start and in the last minute.
package final class PollRateCounter: Sendable {
    /// The counts of one service.
    package struct Report: Sendable, Hashable {
        package let total: Int
        package let perMinute: Int
    }

    private struct Count {
        var total = 0
        /// The queries in each second of the last minute.
        var recent: [Int64: Int] = [:]
    }

    private let counts = Mutex<[ServiceName: Count]>([:])

    private let time: any TimeSource

    init(_ time: any TimeSource) {
        self.time = time
    }

    /// Counts one query.
    func count(_ service: ServiceName) {
        let second = time.elapsed().components.seconds
        counts.withLock { counts in
            var count = counts[service] ?? Count()
            count.total += 1
            count.recent[second, default: 0] += 1
            if count.recent.count > 90 { count.recent = count.recent.filter { $0.key > second - 60 } }
            counts[service] = count
        }
    }

    /// The current counts of a service.
    func report(of service: ServiceName) -> Report {
        let second = time.elapsed().components.seconds
        return counts.withLock { counts in
            let count = counts[service] ?? Count()
            let minute = count.recent.filter { $0.key > second - 60 && $0.key <= second }
            return Report(total: count.total, perMinute: minute.values.reduce(0, +))
        }
    }
}
