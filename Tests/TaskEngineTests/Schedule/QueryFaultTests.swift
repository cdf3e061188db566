import PollingPolicy
import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing

/// Tests failing, hanging and throttled status queries.
@Suite(.timeLimit(.minutes(5))) struct QueryFaultTests {
    private static let outage = Duration.seconds(60)..<Duration.seconds(90)
    private static let refusing = Duration.seconds(150)..<Duration.seconds(210)

    private static func fate(_ query: Int, _ at: Duration) -> SimulatedUpstream.Fate {
        if outage.contains(at) { return .unreachable }
        if refusing.contains(at) { return .throttled(retryAfter: refusing.upperBound - at) }
        if query.isMultiple(of: 20) { return .hangs(.seconds(30)) }
        if query.isMultiple(of: 10) { return .status(502) }
        return .answered
    }

    @Test(arguments: ["image/make", "single/make"])
    func `an outage fails no task, causes few calls, and polls resume soon after`(
        endpoint: String
    ) async throws {
        let world = try await EngineWorld()
        let upstream = SimulatedUpstream(
            time: world.time, taking: Durations.logNormal(80, 0.5), fate: Self.fate)
        for _ in 0..<60 { try await world.submit(endpoint) }
        try await EngineDriver(world, upstream).run(for: .seconds(1_800))
        #expect(try await world.sqlite.counts().map(\.state) == [.succeeded])
        let outage = upstream.calls.filter { Self.outage.contains($0.at) }
        #expect(outage.count <= 20, "\(outage.map(\.at))")
        let refused = upstream.queries.filter { Self.refusing.contains($0.at) }
        // At most the queries that were in flight when it began.
        #expect(refused.count <= EngineLimits().pollsInParallel, "\(refused.map(\.at))")
        for end in [Self.outage.upperBound, Self.refusing.upperBound] {
            let next = upstream.queries.first { $0.at >= end && $0.fate == .answered }
            #expect(next.map { $0.at - end <= PollingPolicy().maxGap } ?? true, "\(end): \(next?.at as Any)")
        }
        // Even with all faults a task needs few calls.
        #expect(upstream.queries.count <= 60 * 20)
    }
}
