import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Compares the sandbox's lists with the daemon's tasks.
    @Suite struct ReconcileTests {
        private func changes(_ world: World, listedWithin seconds: Int? = nil) -> [String: String?] {
            var changes: [String: String?] = ["REPLICATE_API_TOKEN": World.token, "OPENAI_API_KEY": World.token]
            for name in ["replicate", "openai"] {
                changes["POLLUX_PROVIDERS_\(name.uppercased())_BASE_URL"] =
                    "http://127.0.0.1:\(world.sandbox.port)/\(name)"
            }
            if let seconds { changes["POLLUX_TEST_LISTED_WITHIN_SECONDS"] = String(seconds) }
            return changes
        }

        private func document(_ output: String) throws -> JSONValue {
            try JSONValue(parsing: output.trimmingCharacters(in: .whitespacesAndNewlines))
        }

        private func remoteIDs(in document: JSONValue, _ kind: String) -> [String] {
            (document.at(kind).array ?? []).compactMap { $0.at("remote_id").string }.sorted()
        }

        @Test func `strangers, late and deleted records of an account are told apart, and nothing is paid`()
            async throws
        {
            try await withWorld(faults: "late-record@3:30s") { world in
                try await world.daemon.start(changes(world))
                var (ids, remoteIDs): ([String], [String]) = ([], [])
                // The third is listed half a minute late.
                for (endpoint, request) in [
                    ("flux/images", ["prompt": "one [seconds=5]"]),
                    ("replicate:predictions", ["version": "v1", "input": ["prompt": "two [seconds=5]"]]),
                    ("flux/images", ["prompt": "late [seconds=5]"]), ("flux/images", ["prompt": "four [seconds=5]"]),
                    ("openai:videos", ["prompt": "five [seconds=5]"]),
                    ("replicate:predictions", ["version": "v1", "input": ["prompt": "six [seconds=5]"]]),
                ] as [(String, JSONValue)] {
                    let task = try await world.daemon.submit(endpoint, request)
                    let id = task.at("id").string ?? ""
                    var remoteID: String?
                    while remoteID == nil { remoteID = try await world.daemon.task(id).at("remote_id").string }
                    ids.append(id)
                    remoteIDs.append(remoteID ?? "")
                }
                let strangers = [
                    try await world.sandbox.submit("/v1/flux/images", ["prompt": "a stranger", "async": true]),
                    try await world.sandbox.submit(
                        "/replicate/v1/predictions", ["version": "v1", "input": ["prompt": "x"]]),
                ].sorted()
                let billed = try await world.sandbox.ledger().billed

                let first = try await world.pollux(["reconcile", "--json"])
                #expect(first.exit == .code(1), "\(first)")
                let compared = try document(first.output)
                #expect(self.remoteIDs(in: compared, "orphans") == strangers, "\(first.output)")
                #expect(compared.at("ghost_count").integer == 0 && compared.at("complete") == true)
                #expect(compared.at("known").integer == 5 && compared.at("unjudged").integer == 1)

                // Later, the late record is there, and two were deleted by the provider.
                for id in ids { _ = try await world.daemon.ended(id) }
                for deleted in [remoteIDs[3], remoteIDs[5]] { try await world.sandbox.forget(deleted) }
                _ = try await world.daemon.stop()
                try await world.daemon.start(changes(world, listedWithin: 0))
                let adopting = try await world.pollux(["reconcile", "--adopt", "--since", "1h"])
                #expect(adopting.exit == .code(1), "\(adopting)")
                for deleted in [remoteIDs[3], remoteIDs[5]] {
                    #expect(adopting.output.contains(deleted), "\(adopting.output)")
                }
                #expect(!adopting.output.contains(remoteIDs[2]))
                #expect(adopting.output.contains("Not checked, because the provider has no list"))

                let last = try document(try await world.pollux(["reconcile", "--json"]).output)
                #expect(last.at("orphan_count").integer == 0 && last.at("known").integer == 6)
                #expect(self.remoteIDs(in: last, "ghosts") == [remoteIDs[3], remoteIDs[5]].sorted(), "\(last.text)")
                // The strangers are tracked to their ends.
                let listed = try await world.daemon.ask("GET", "/v1/tasks?limit=50").json.at("tasks").array ?? []
                let tracked = listed.filter { strangers.contains($0.at("remote_id").string ?? "") }
                #expect(tracked.count == 2)
                for task in tracked {
                    #expect(try await world.daemon.ended(task.at("id").string ?? "").at("state").string == "succeeded")
                }
                #expect(try await world.sandbox.ledger().billed == billed)
            }
        }
    }
}
