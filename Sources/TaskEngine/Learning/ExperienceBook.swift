import PollingPolicy
import Synchronization
import TaskModel
import TaskStore

/// The experience of each endpoint, read from the store when first asked for and after each task that ended.
final class ExperienceBook: Sendable {
    private let known = Mutex<[EndpointName: Experience]>([:])
    private let store: TaskStore
    private let documented: @Sendable (EndpointName) -> DurationModel

    init(store: TaskStore, documented: @escaping @Sendable (EndpointName) -> DurationModel) {
        self.store = store
        self.documented = documented
    }

    /// What experience says; what the documents say where the store cannot be read now.
    func experience(of endpoint: EndpointName) async -> Experience {
        if let experience = known.withLock({ $0[endpoint] }) { return experience }
        do throws(TaskStoreError) {
            let experience = try await latest(of: endpoint)
            known.withLock { $0[endpoint] = experience }
            return experience
        } catch {
            return Experience([], of: endpoint, documented: documented(endpoint))
        }
    }

    /// The same as it stands on disk now, with counts that change with every call.
    func latest(of endpoint: EndpointName) async throws(TaskStoreError) -> Experience {
        Experience(try await store.learned(of: endpoint), of: endpoint, documented: documented(endpoint))
    }

    /// A task of this endpoint has just taught something, so what was read is old.
    func forget(_ endpoint: EndpointName) {
        known.withLock { _ = $0.removeValue(forKey: endpoint) }
    }
}
