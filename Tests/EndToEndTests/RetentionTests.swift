import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests the removal of details in a running daemon.
    @Suite struct RetentionTests {
        private static let policy = ["POLLUX_RETENTION_ENDED": "1s"]

        /// Submits a task with a key and waits for its end.
        private func ended(_ key: String, in world: World) async throws -> String {
            let id = try await submit(key, in: world).json.at("id").string ?? ""
            #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
            return id
        }

        private func submit(_ key: String, in world: World) async throws -> Reply {
            let submission = world.daemon.submission(
                "flux/images", ["prompt": .string("\(key) [seconds=1]")], with: ["idempotency_key": .string(key)])
            return try await world.daemon.ask("POST", "/v1/tasks", json: submission)
        }

        /// Prunes until none of these tasks has details. They must be a second old.
        private func prune(_ ids: [String], in world: World) async throws {
            let deadline = ContinuousClock.now + .seconds(120)
            while true {
                let reply = try await world.daemon.ask("POST", "/v1/prune", json: [:])
                #expect(reply.status == 200, "\(reply.text)")
                var whole = 0
                for id in ids { whole += try await world.daemon.task(id).at("removed") == .null ? 1 : 0 }
                if whole == 0 { return }
                guard ContinuousClock.now < deadline else {
                    Issue.record("\(whole) tasks still have details")
                    return
                }
            }
        }

        @Test func `a pruned task keeps its key and is paid once, and a pinned one keeps everything`() async throws {
            try await withWorld(environment: Self.policy) { world in
                try await world.daemon.start()
                let (old, pinned) = (try await ended("old", in: world), try await ended("pinned", in: world))
                let pin = try await world.pollux(["pin", String(pinned.prefix(35))])
                #expect(pin.exit == .code(0) && pin.output.contains("pinned"), "\(pin.errors)")
                try await prune([old], in: world)
                let kept = try await world.daemon.task(pinned)
                #expect(kept.at("removed") == .null && kept.at("request").at("prompt").string == "pinned [seconds=1]")

                let again = try await submit("old", in: world)
                #expect(again.status == 200)
                #expect(try again.json.at("id").string == old)
                let remote = try again.json.at("remote_id").string ?? ""
                let tracked = try await world.daemon.ask(
                    "POST", "/v1/tasks/adopt", json: ["endpoint": "flux/images", "remote_id": .string(remote)])
                #expect(tracked.status == 200, "\(tracked.text)")
                #expect(try tracked.json.at("id").string == old)
                #expect(try await world.sandbox.ledger().billed == 2)

                let card = try await world.pollux(["show", old])
                #expect(card.exit == .code(0) && card.output.contains("removed on"), "\(card.output)\(card.errors)")
                let record = try await world.pollux(["show", old, "--response"])
                #expect(record.exit == .code(65) && record.errors.contains("removed on"), "\(record.errors)")
                let log = try await world.pollux(["events", old])
                #expect(log.exit == .code(0) && log.output.contains("removed on"), "\(log.output)\(log.errors)")

                let refused = try await world.pollux(["delete", pinned])
                #expect(refused.exit == .code(65) && refused.errors.contains("pollux unpin"), "\(refused.errors)")
                let unpin = try await world.pollux(["unpin", pinned])
                #expect(unpin.exit == .code(0), "\(unpin.errors)")
                let deleted = try await world.pollux(["delete", pinned])
                #expect(deleted.exit == .code(0) && deleted.output.contains("details deleted"), "\(deleted.errors)")

                // The next start does not treat the database as a copy.
                _ = try await world.daemon.stop()
                try await world.daemon.start()
                #expect(try await world.daemon.ask("GET", "/v1/restore").json.at("restored") == false)
                #expect(try await submit("pinned", in: world).status == 200)
                #expect(try await world.sandbox.ledger().billed == 2)
            }
        }

        @Test func `the daemon removes old details automatically`() async throws {
            let environment = Self.policy.merging(["POLLUX_TEST_STEADY_SPAN_SECONDS": "0.1"]) { $1 }
            try await withWorld(environment: environment) { world in
                try await world.daemon.start()
                let id = try await ended("old", in: world)
                let deadline = ContinuousClock.now + .seconds(120)
                while try await world.daemon.task(id).at("removed") == .null {
                    guard ContinuousClock.now < deadline else {
                        Issue.record("\(try await world.daemon.task(id).text)")
                        return
                    }
                }
                #expect(try await submit("old", in: world).status == 200)
            }
        }

        @Test func `without a retention prune reports that, and an open task is not deleted`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let none = try await world.pollux(["prune"])
                #expect(
                    none.exit == .code(0) && none.output.contains("retention.ended"), "\(none.output)\(none.errors)")
                let open = try await world.daemon.submit("flux/images", ["prompt": "x [seconds=600]"])
                let id = open.at("id").string ?? ""
                let refused = try await world.pollux(["delete", id])
                #expect(refused.exit == .code(65) && refused.errors.contains("has not ended"), "\(refused.errors)")
                let unknown = try await world.pollux(["delete", "01a20915-0000-7000-8000-000000000000"])
                #expect(unknown.exit == .code(66), "\(unknown.errors)")
                #expect(try await world.daemon.task(id).at("removed") == .null)
            }
        }

        @Test func `after a kill during a prune every task is complete or without details`() async throws {
            try await withWorld(environment: Self.policy) { world in
                try await world.daemon.start()
                let keys = (1...150).map { "key-\($0)" }
                let ids = try await withThrowingTaskGroup(of: String.self) { group in
                    for key in keys { group.addTask { try await ended(key, in: world) } }
                    return try await group.reduce(into: [String]()) { $0.append($1) }
                }
                #expect(try await world.sandbox.ledger().billed == keys.count)
                let daemon = world.daemon
                let pruning = Task {
                    while !Task.isCancelled { _ = try? await daemon.ask("POST", "/v1/prune", json: [:]) }
                }
                // The first tasks are removed, and the rest follows.
                let deadline = ContinuousClock.now + .seconds(120)
                var stubs = 0
                while stubs == 0, ContinuousClock.now < deadline {
                    for id in ids.sorted().prefix(5) {
                        stubs += try await daemon.task(id).at("removed") == .null ? 0 : 1
                    }
                }
                #expect(stubs > 0)
                try await daemon.kill9()
                pruning.cancel()
                await pruning.value
                try await daemon.start()
                for id in ids {
                    let task = try await daemon.task(id)
                    let events = try await daemon.ask("GET", "/v1/tasks/\(id)/events").json.at("events").array ?? []
                    let isStub = task.at("removed") != .null
                    #expect(task.at("state").string == "succeeded")
                    #expect((task.at("request") == .null) == isStub && (task.at("response") == .null) == isStub)
                    #expect(
                        (task.at("results").array ?? []).isEmpty == isStub && events.isEmpty == isStub, "\(task.text)")
                }
                try await prune(ids, in: world)
                for key in keys { #expect(try await submit(key, in: world).status == 200) }
                #expect(try await world.sandbox.ledger().billed == keys.count)
            }
        }
    }
}
