import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests all endpoints of the daemon against a provider that follows its documents.
    @Suite struct CatalogueTests {
        @Test func `every endpoint of the catalogue succeeds and fails correctly and is paid once`()
            async throws
        {
            try await withWorld(environment: ["POLLUX_POLLING_MAX_REQUESTS_PER_SECOND": "400"]) { world in
                try await world.daemon.start()
                let endpoints = try await endpoints(of: world)
                var tasks: [(endpoint: String, fails: Bool, id: String)] = []
                for (name, example, isInline) in endpoints {
                    for fails in [false, true] {
                        // An unknown member passes through, and the sandbox reads its commands.
                        var request = example
                        // An inline endpoint's server error would not prove that nothing was made.
                        let failure = isInline ? "[moderated]" : "[fail]"
                        request["note"] = .string("[seconds=90]" + (fails ? failure : ""))
                        let task = try await world.daemon.submit(name, .object(request))
                        tasks.append((name, fails, task.at("id").string ?? ""))
                    }
                }
                for (endpoint, fails, id) in tasks {
                    let task = try await world.daemon.ended(id)
                    #expect(task.at("state").string == (fails ? "failed" : "succeeded"), "\(endpoint): \(task.text)")
                    #expect(task.at("attempts").integer == 1, "\(endpoint)")
                    guard !fails else { continue }
                    #expect(task.at("results").array?.isEmpty == false, "\(endpoint): \(task.text)")
                }
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == tasks.count - endpoints.count { $0.isInline })
            }
        }

        @Test func `a lost reply is found by its client id`() async throws {
            try await withWorld(faults: "lost-reply=1") { world in
                try await world.daemon.start()
                let task = try await world.daemon.submit("maestro/videos", ["prompt": "a kettle [seconds=60]"])
                let id = task.at("id").string ?? ""
                let ended = try await world.daemon.ended(id)
                #expect(ended.at("state").string == "succeeded")
                #expect(ended.at("remote_id").string == id)
                #expect(ended.at("resolution").string == "found_by_own_id")
                #expect(try await world.daemon.kinds(of: id).contains("found_by_own_id"))
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `these tests and the provider tests cover every endpoint`()
            async throws
        {
            try await withWorld { world in
                try await world.daemon.start()
                let listed = try await world.daemon.ask("GET", "/v1/endpoints").json.at("endpoints").array ?? []
                let names = Set(listed.compactMap { $0.at("name").string })
                let here = Set(try await endpoints(of: world).map(\.name))
                #expect(names == here.union(ProviderTests.endpoints))
                // Endpoints have their provider's name and a colon as prefix, except those of the default provider.
                let providers = try await world.daemon.ask("GET", "/v1/status").json.at("providers").array ?? []
                let prefixes = Set(
                    names.compactMap { $0.contains(":") ? $0.split(separator: ":").first.map(String.init) : nil })
                #expect(
                    prefixes == Set(providers.compactMap { $0.at("name").string }).subtracting(["xhuoapi"]))
                #expect(!here.isEmpty && !prefixes.isEmpty)
            }
        }

        /// The endpoints of the default provider, with the example requests of `pollux endpoints NAME`.
        private func endpoints(of world: World) async throws -> [(name: String, example: JSONObject, isInline: Bool)] {
            let list = try await world.daemon.ask("GET", "/v1/endpoints").json.at("endpoints").array ?? []
            var endpoints: [(String, JSONObject, Bool)] = []
            for endpoint in list {
                let name = endpoint.at("name").string ?? ""
                guard !name.contains(":") else { continue }
                let example = try #require(endpoint.at("example").object, "\(name): \(endpoint.text)")
                endpoints.append((name, example, endpoint.at("answers").string == "inline"))
            }
            return endpoints
        }
    }
}
