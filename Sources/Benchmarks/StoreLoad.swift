import TaskModel
import TaskStore
import VerbatimJSON

/// Submissions at the store, without a daemon.
struct StoreLoad {
    private let tasks: [NewTask]

    init(tasks count: Int, at now: Timestamp) throws {
        var random = SystemRandomNumberGenerator()
        guard let endpoint = EndpointName("kling/videos") else { throw BenchmarkError("no endpoint") }
        tasks = (0..<count).map { _ in
            NewTask(
                task: TrackedTask(
                    id: TaskID(at: now, using: &random), endpoint: endpoint, createdAt: now, onUncertain: .hold),
                payload: TaskPayload(request: ["prompt": "A paper boat crosses a puddle"]))
        }
    }

    /// The ids of the tasks.
    var ids: [String] { tasks.map(\.task.id.text) }

    /// The time to submit all of them, of which `lanes` are under way at once.
    func seconds(on store: TaskStore, lanes: Int) async throws -> Double {
        let began = Clock.nanoseconds
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    for index in stride(from: lane, to: tasks.count, by: lanes) {
                        _ = try await store.insert(tasks[index])
                    }
                }
            }
            try await group.waitForAll()
        }
        return Double(Clock.nanoseconds - began) / 1e9
    }
}
