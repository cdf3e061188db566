import Foundation
import Glibc
import Randomness
import Testing
import VerbatimJSON

extension EndToEnd {
    @Suite struct StormTests {
        static let endpoints = [
            "midjourney/imagine", "suno/audios", "veo/videos", "sora/videos", "kling/videos", "luma/videos",
            "flux/images",
        ]
        /// A third of all paid replies is lost, in three ways. Every fifth record appears late.
        static let faults =
            "lost-reply=0.12,reset-reply=0.12,502-after=0.12,late-record=0.2:400ms,poll-500=0.03,poll-reset=0.03"

        /// A test run: the number of tasks per prompt, and the seed.
        struct Storm: CustomTestStringConvertible, Sendable {
            let alike: Int
            let seed: UInt64
            var testDescription: String { "\(alike) tasks per prompt, seed \(seed)" }
        }

        /// The seed of `POLLUX_STORM_SEED`, else a random one: each takes more than a minute.
        static let storms: [Storm] = {
            let stated = ProcessInfo.processInfo.environment["POLLUX_STORM_SEED"].flatMap { UInt64($0) }
            let seed = stated ?? .random(in: 0...99_999)
            return [Storm(alike: [1, 4, 10][Int(seed % 3)], seed: seed)]
        }()

        @Test(arguments: storms)
        func `200 tasks with lost replies and kills are each paid once and succeed`(storm: Storm)
            async throws
        {
            print("Storm: \(storm.testDescription)")
            // Longer than a killed daemon's request can block the sandbox.
            let environment = [
                "POLLUX_TEST_ABSENT_SPAN_SECONDS": "10", "POLLUX_TEST_STEADY_SPAN_SECONDS": "1",
                "POLLUX_SUBMISSION_ON_UNCERTAIN": "resubmit_if_absent",
            ]
            try await withWorld(faults: Self.faults, seed: storm.seed, environment: environment) { world in
                try await world.daemon.start()
                async let ids = submitAll(storm, to: world.daemon)
                try await killFiveTimes(world.daemon, seed: storm.seed)
                let tasks = try await ended(try await ids, at: world.daemon)

                #expect(tasks.count == 200)
                #expect(tasks.allSatisfy { $0.at("state").string == "succeeded" })
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 200)
                #expect(ledger.mostPerRequest == storm.alike)
                // Every paid task is known, and only once.
                #expect(tasks.compactMap { $0.at("remote_id").string }.sorted() == ledger.remoteIDs.sorted())
                for task in tasks {
                    let prompt = ledger.prompts[task.at("remote_id").string ?? ""]
                    #expect(task.at("request", "prompt").string == prompt)
                    #expect(task.at("response", "request", "prompt").string == prompt)
                }
                #expect(try await listed(by: world.daemon) == Set(tasks.compactMap { $0.at("id").string }))
                let found = tasks.count { $0.at("resolution").string == "found_in_list" }
                #expect(found > 30, "fewer replies were lost than planned")
            }
        }

        /// Ten clients submit twenty tasks each and retry those without a response.
        private func submitAll(_ storm: Storm, to daemon: RunningDaemon) async throws -> [String] {
            try await withThrowingTaskGroup(of: [String].self) { group in
                for client in 0..<10 {
                    group.addTask {
                        var ids: [String] = []
                        for number in (client * 20)..<(client * 20 + 20) {
                            let kind = number / storm.alike
                            let document = daemon.submission(
                                Self.endpoints[kind % Self.endpoints.count],
                                ["prompt": .string("\(kind) [seconds=\(10 + kind % 7 * 10)]")],
                                with: ["idempotency_key": .string("key-\(number)")])
                            let reply = try await daemon.persistently("POST", "/v1/tasks", json: document)
                            guard (200...201).contains(reply.status), let id = try reply.json.at("id").string else {
                                throw TooLate(description: "\(reply.status): \(reply.text)")
                            }
                            ids.append(id)
                        }
                        return ids
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }

        private func killFiveTimes(_ daemon: RunningDaemon, seed: UInt64) async throws {
            var random = SeededRandom(seed: seed)
            for _ in 0..<5 {
                let life = Double.random(in: 0.05...1.5, using: &random)
                // The daemon does not exit by itself, so this only waits.
                _ = try? await daemon.process.exit(within: life)
                try await daemon.kill9()
                try await daemon.start()
            }
        }

        private func ended(_ ids: [String], at daemon: RunningDaemon) async throws -> [JSONValue] {
            try await withThrowingTaskGroup(of: JSONValue.self) { group in
                for id in ids { group.addTask { try await daemon.ended(id) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }

        /// All task ids of the paginated list.
        private func listed(by daemon: RunningDaemon) async throws -> Set<String> {
            var ids: [String] = []
            var cursor: String?
            repeat {
                let page = try await daemon.ask("GET", "/v1/tasks?limit=37" + (cursor.map { "&cursor=\($0)" } ?? ""))
                    .json
                ids += (page.at("tasks").array ?? []).compactMap { $0.at("id").string }
                cursor = page.at("next_cursor").string
            } while cursor != nil
            #expect(Set(ids).count == ids.count)
            return Set(ids)
        }
    }
}
