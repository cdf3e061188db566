import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

/// Tests a thousand tasks, a provider limit of ten calls a second, and a restart halfway.
@Suite(.timeLimit(.minutes(5))) struct LimitsUnderLoadTests {
    @Test(arguments: [("image/make", 1_000), ("single/make", 300)])
    func `the limit holds in every second, and all tasks end`(endpoint: String, tasks: Int) async throws {
        var limits = EngineLimits()
        limits.pollsPerSecond = 10
        let first = try await EngineWorld(limits: limits)
        let upstream = SimulatedUpstream(time: first.time, limitPerSecond: 10, taking: Durations.logNormal(40, 0.5))
        for _ in 0..<tasks { try await first.submit(endpoint) }
        try await EngineDriver(first, upstream).run(for: .seconds(Double(tasks) / 9.5 * 0.6))
        #expect(try await first.sqlite.counts().contains { $0.state == .running && $0.count * 10 > tasks })
        try first.database.close()
        let second = try await EngineWorld(limits: limits, seed: 2, time: first.time, from: first)
        try await second.engine.recovery.run()
        try await EngineDriver(second, upstream).run(for: .seconds(3_600))
        #expect(try await second.sqlite.counts().map(\.state) == [.succeeded])
        #expect(try await second.sqlite.counts().map(\.count) == [tasks])
        #expect(upstream.mostPerSecond <= 10)
        #expect(upstream.throttled * 100 <= upstream.calls.count)
        #expect(upstream.calls.count { $0.isPaid } == tasks)
    }
}
