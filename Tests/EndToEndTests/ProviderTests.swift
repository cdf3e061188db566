import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    @Suite struct ProviderTests {
        /// One request for each endpoint of the other providers, and where it contains the prompt.
        static let endpoints = [
            "fal:queue", "fal:queue/flux-dev", "replicate:predictions", "replicate:models/predictions", "openai:videos",
            "google:veo", "google:interactions", "google:v1/interactions", "runway:image_to_video",
            "runway:text_to_image",
        ]

        private func request(_ endpoint: String, _ prompt: String) -> JSONValue {
            let prompt = JSONValue.string(prompt)
            return switch endpoint {
            case "fal:queue": ["app": "fal-ai/flux/schnell", "prompt": prompt]
            case "replicate:predictions": ["version": "5c7d5dc6", "input": ["prompt": prompt]]
            case "replicate:models/predictions":
                ["model": "black-forest-labs/flux-schnell", "input": ["prompt": prompt]]
            case "google:interactions", "google:v1/interactions": ["model": "gemini-3.5-flash", "input": prompt]
            case "google:veo": ["model": "veo-3.0-generate-001", "instances": [["prompt": prompt]]]
            case "runway:image_to_video", "runway:text_to_image": ["model": "gen4", "promptText": prompt]
            default: ["prompt": prompt]
            }
        }

        private func withProviders(faults: String = "none", _ test: (World) async throws -> Void) async throws {
            try await withWorld(faults: faults) { world in
                var changes: [String: String?] = [
                    "FAL_KEY": World.token, "REPLICATE_API_TOKEN": World.token, "OPENAI_API_KEY": World.token,
                    "GEMINI_API_KEY": World.token, "RUNWAYML_API_SECRET": World.token,
                ]
                for name in ["fal", "replicate", "openai", "google", "runway"] {
                    changes["POLLUX_PROVIDERS_\(name.uppercased())_BASE_URL"] =
                        "http://127.0.0.1:\(world.sandbox.port)/\(name)"
                }
                try await world.daemon.start(changes)
                try await test(world)
            }
        }

        @Test func `every endpoint of every other provider succeeds and fails correctly`() async throws {
            try await withProviders { world in
                var ids: [(endpoint: String, fails: Bool, id: String)] = []
                for endpoint in Self.endpoints {
                    for fails in [false, true] {
                        let prompt = "a fox [seconds=30]" + (fails ? " [fail]" : "")
                        let task = try await world.daemon.submit(endpoint, request(endpoint, prompt))
                        ids.append((endpoint, fails, task.at("id").string ?? ""))
                    }
                }
                for (endpoint, fails, id) in ids {
                    let task = try await world.daemon.ended(id)
                    #expect(task.at("state").string == (fails ? "failed" : "succeeded"), "\(endpoint) \(task.text)")
                    #expect(task.at("attempts").integer == 1)
                    if fails { #expect(task.at("error", "message").string?.isEmpty == false, "\(endpoint)") }
                }
                let fal = try await world.daemon.ended(ids[0].id)
                #expect(fal.at("response").text.contains("http://127.0.0.1:\(world.sandbox.port)/files/fal/"))
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == ids.count)
            }
        }

        @Test func `the status URL survives a kill, and nothing is paid again`() async throws {
            try await withProviders { world in
                let task = try await world.daemon.submit("fal:queue", request("fal:queue", "a fox [seconds=120]"))
                let id = task.at("id").string ?? ""
                try await world.daemon.process.logged("→ running")
                let environment: [String: String?] = [
                    "FAL_KEY": World.token,
                    "POLLUX_PROVIDERS_FAL_BASE_URL": "http://127.0.0.1:\(world.sandbox.port)/fal",
                ]
                try await world.daemon.kill9()
                try await world.daemon.start(environment)
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a cancelled task is also cancelled at a provider that supports it`() async throws {
            try await withProviders { world in
                let request = request("replicate:predictions", "a fox [seconds=6000]")
                let id = try await world.daemon.submit("replicate:predictions", request).at("id").string ?? ""
                try await world.daemon.process.logged("→ running")
                #expect(
                    try await world.daemon.ask("POST", "/v1/tasks/\(id)/cancel").json.at("state").string == "cancelled")
                try await world.daemon.process.logged("replicate was asked to cancel it: HTTP status 200")
            }
        }

        @Test func `a task without its endpoint waits with a warning and continues when it is back`() async throws {
            try await withWorld { world in
                let file = URL(filePath: world.definitionFile)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(world.definition.utf8).write(to: file)
                let token: [String: String?] = ["MINE_TOKEN": World.token]
                try await world.daemon.start(token)
                let request: JSONValue = ["input": ["prompt": "a fox [seconds=120]"]]
                let id = try await world.daemon.submit("mine:make", request).at("id").string ?? ""
                try await world.daemon.process.logged("→ running")
                try await world.daemon.kill9()

                try FileManager.default.removeItem(at: file)
                try await world.daemon.start(token)
                try await world.daemon.process.logged("1 task(s) of mine:make wait")
                #expect(try await world.daemon.task(id).at("state").string == "running")
                try await world.daemon.kill9()

                try Data(world.definition.utf8).write(to: file)
                try await world.daemon.start(token)
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `without a provider list a lost reply waits for a user`() async throws {
            try await withProviders(faults: "lost-reply=1") { world in
                let task = try await world.daemon.submit("replicate:predictions", request("replicate:predictions", "x"))
                let id = task.at("id").string ?? ""
                try await world.daemon.process.logged("→ uncertain")
                let resolved = try await world.daemon.ask(
                    "POST", "/v1/tasks/\(id)/resolve",
                    #"{"as": "adopt", "remote_id": "\#(try await world.sandbox.ledger().remoteIDs.first ?? "")"}"#)
                #expect(resolved.status == 200)
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }
    }
}
