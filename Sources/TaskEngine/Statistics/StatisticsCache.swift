import PollingPolicy
import Synchronization
import TaskModel
import TaskStore

/// Caches the statistics of each endpoint. It reads them from the store on first use and after each task that ends.
final class StatisticsCache: Sendable {
    private let known = Mutex<[EndpointName: EndpointStatistics]>([:])
    private let store: TaskStore
    private let documented: @Sendable (EndpointName) -> DurationModel

    init(store: TaskStore, documented: @escaping @Sendable (EndpointName) -> DurationModel) {
        self.store = store
        self.documented = documented
    }

    /// The endpoint's statistics, or the documented durations if the store cannot be read.
    func statistics(of endpoint: EndpointName) async -> EndpointStatistics {
        if let statistics = known.withLock({ $0[endpoint] }) { return statistics }
        do throws(TaskStoreError) {
            let statistics = try await latest(of: endpoint)
            known.withLock { $0[endpoint] = statistics }
            return statistics
        } catch {
            return EndpointStatistics([], of: endpoint, documented: documented(endpoint))
        }
    }

    /// The statistics on disk, including counts that change with every call.
    func latest(of endpoint: EndpointName) async throws(TaskStoreError) -> EndpointStatistics {
        EndpointStatistics(try await store.statistics(of: endpoint), of: endpoint, documented: documented(endpoint))
    }

    /// Drops all cached statistics, as after a reload of the documented durations.
    func forgetAll() {
        known.withLock { $0 = [:] }
    }

    /// Drops the cached statistics of an endpoint whose task has ended.
    func forget(_ endpoint: EndpointName) {
        known.withLock { _ = $0.removeValue(forKey: endpoint) }
    }
}
