import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests lists of ids whose pages name the next one.
@Suite(.timeLimit(.minutes(2))) struct FollowedListTests {
    private let start = ManualTimeSource.start

    private static func definition(_ list: String) -> String {
        """
        provider: testing
        default: true
        base_url: http://127.0.0.1:1
        max_requests_per_second: 10000
        endpoints:
          make/one:
            submit: {path: /make}
            accepted: {id: /id}
            poll: {path: "/make/{id}"}
            list: \(list)
            state: [{at: /status, pending: [run], succeeded: [done], failed: [failed]}]
            results: [/url]
          other/two:
            submit: {path: /other}
            accepted: {id: /id}
            poll: {path: "/make/{id}"}
            list: \(list)
            state: [{at: /status, pending: [run], succeeded: [done], failed: [failed]}]
            results: [/url]
        """
    }

    private static let byAddress = definition(
        "{path: /make, items: /results, id: /id, created_at: /at, next: /next, newest_first: true}")
    private static let byID = definition(
        #"{path: /make, query: {limit: "{limit}", after: "{after}"}, items: /results, id: /id, created_at: /at, more: /more, newest_first: true}"#
    )

    private func item(_ id: String, _ secondsAgo: Int, of now: Timestamp) -> JSONValue {
        ["id": .string(id), "at": .number(JSONNumber(Int((now - .seconds(secondsAgo)).unixSeconds)))]
    }

    private func report(
        _ definition: String, _ reply: @escaping @Sendable (String, Timestamp) -> UpstreamReply
    ) async throws -> (report: ReconcileReport, paths: [String]) {
        let world = try await EngineWorld(definition: definition)
        try await world.insert(.task(1, state: .succeeded, endpoint: "make/one", remoteID: "r-1"))
        try await world.insert(.task(2, state: .succeeded, endpoint: "other/two", remoteID: "r-2"))
        try await world.insert(.task(3, state: .succeeded, endpoint: "other/two", remoteID: "gone"))
        world.time.advance(by: .seconds(7_200))
        let now = world.time.now()
        world.provider.play { sent async throws(UpstreamTransportError) in
            reply(sent.request.url ?? sent.request.path, now)
        }
        let report = try await world.engine.reconciliation.run()
        #expect(world.provider.paid.isEmpty)
        return (report, world.provider.sent.map { $0.request.url ?? $0.request.path })
    }

    @Test func `pages are followed by their addresses, once for all endpoints of a list`() async throws {
        let (report, paths) = try await report(Self.byAddress) { [item] path, now in
            switch path {
            case "/make":
                .json([
                    "results": [item("stranger", 60, now), item("r-2", 7_200, now)],
                    "next": "http://127.0.0.1:1/make?cursor=2",
                ])
            default: .json(["results": [item("r-1", 7_200, now), item("old", 9_000, now)], "next": .null])
            }
        }
        #expect(paths == ["/make", "http://127.0.0.1:1/make?cursor=2"])
        #expect(report.isComplete && report.known == 2)
        #expect(report.orphans.map(\.remoteID.text).sorted() == ["old", "stranger"])
        // Both endpoints are polled alike, so the first serves to track them.
        #expect(report.orphans.allSatisfy { $0.endpoint?.text == "make/one" })
        #expect(report.ghosts.map(\.remoteID.text) == ["gone"])
    }

    @Test func `an address of another host is not followed, and the list is incomplete`() async throws {
        let (report, paths) = try await report(Self.byAddress) { [item] _, now in
            .json(["results": [item("r-1", 7_200, now)], "next": "http://elsewhere.example/make?cursor=2"])
        }
        #expect(paths == ["/make"])
        #expect(!report.isComplete && report.ghosts.isEmpty)
    }

    @Test func `pages are followed by their last ids`() async throws {
        let (report, paths) = try await report(Self.byID) { [item] path, now in
            path.contains("after=r-2")
                ? .json(["results": [item("r-1", 7_200, now), item("old", 9_000, now)], "more": false])
                : .json(["results": [item("new", 60, now), item("r-2", 7_200, now)], "more": true])
        }
        #expect(paths == ["/make?limit=50", "/make?limit=50&after=r-2"])
        #expect(report.isComplete && report.known == 2 && report.ghosts.map(\.remoteID.text) == ["gone"])
    }

    @Test func `a list that ignores the last id is incomplete`() async throws {
        let (report, paths) = try await report(Self.byID) { [item] _, now in
            .json(["results": [item("r-1", 60, now)], "more": true])
        }
        #expect(paths.count == 2)
        #expect(!report.isComplete && report.ghosts.isEmpty)
    }

    @Test func `a list with the newest first is read until it is older than the period`() async throws {
        let (report, paths) = try await report(Self.byAddress) { [item] path, now in
            .json([
                "results": [item("r-1", 7_200, now), item("before", 200_000, now)],
                "next": .string("http://127.0.0.1:1/make?cursor=\(path.count)"),
            ])
        }
        #expect(paths == ["/make"])
        #expect(report.isComplete && report.orphans.isEmpty)
        #expect(report.ghosts.map(\.remoteID.text).sorted() == ["gone", "r-2"])
    }

    @Test func `lost tasks are not searched in a list of ids`() async throws {
        let catalog = try ProviderCatalog(definitions: [("testing.yaml", Self.byID)])
        let profile = try #require(catalog.endpoints.first)
        #expect(profile.listing == nil && profile.inventory != nil && profile.needsPersonWhenUncertain)
        let echoing = Self.byID.replacing("id: /id, created_at", with: "request: /input, id: /id, created_at")
        #expect(throws: CatalogError.self) {
            try ProviderCatalog(definitions: [("testing.yaml", echoing)])
        }
    }
}
