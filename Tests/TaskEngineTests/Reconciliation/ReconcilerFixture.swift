import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Lost tasks and provider lists for the tests of the reconciler.
protocol ReconcilerFixture: Sendable {}

extension ReconcilerFixture {
    var start: Timestamp { ManualTimeSource.start }

    func uncertain(
        _ number: Int, _ endpoint: String = "image/make", policy: UncertainPolicy = .hold
    ) -> TrackedTask {
        .task(number, state: .uncertain, endpoint: endpoint, onUncertain: policy)
    }

    func listed(_ id: String, _ request: JSONValue = ["prompt": "a cat"]) -> JSONValue {
        Record.listed(id, request: request, at: start + .seconds(1))
    }

    /// Makes the provider list these records in pages.
    func list(_ world: EngineWorld, pageCap: Int = 50, _ records: @escaping @Sendable () -> [JSONValue]) {
        world.provider.play { sent async throws(UpstreamTransportError) in
            let offset = Int(sent.body["offset"]?.number?.integer ?? 0)
            return .items(Array(records().dropFirst(offset).prefix(pageCap)))
        }
    }

    /// Inserts an accepted task as control and returns its record, which a list must have to prove absence.
    func insertControl(
        _ world: EngineWorld, _ request: JSONValue = ["prompt": "a dog"], endpoint: String = "image/make"
    ) async throws -> JSONValue {
        let task = TrackedTask.task(90, state: .succeeded, endpoint: endpoint, remoteID: "control")
        try await world.insert(task, request: request)
        return listed("control", request)
    }

    /// Runs the reconciler at its due times for that long.
    func look(_ world: EngineWorld, for duration: Duration) async throws {
        let end = world.time.now() + duration
        while world.time.now() <= end {
            let comeBack = try await world.engine.reconciler.step()
            let next = try await world.sqlite.nextDue(in: .uncertain, of: "image") ?? end + .seconds(1)
            // An open circuit delays beyond the due time. Claimed work returns "at once".
            world.time.set(to: max(comeBack < end ? comeBack : next, next, world.time.now() + .milliseconds(1)))
        }
    }
}
