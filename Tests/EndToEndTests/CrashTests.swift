import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    @Suite struct CrashTests {
        /// The crash points of a debug build, and the task's expected log after the recovery.
        enum Point: String, CaseIterable {
            case afterQueued = "after-queued"
            case afterLastByte = "after-last-byte"
            case afterReply = "after-reply"
            case afterAccepted = "after-accepted"
            case duringPoll = "during-poll"
            case afterPollReply = "after-poll-reply"

            var log: [String] {
                switch self {
                case .afterQueued, .afterAccepted, .duringPoll, .afterPollReply:
                    ["created", "submission_started", "submission_accepted", "observed"]
                case .afterLastByte, .afterReply:
                    ["created", "submission_started", "submission_interrupted", "found_in_list", "observed"]
                }
            }
        }

        @Test func `a task survives a kill while it runs`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id = try await world.daemon.submit("veo/videos", ["prompt": "x [seconds=60]"]).at("id").string ?? ""
                try await world.daemon.process.logged("submitting → running")
                try await world.daemon.kill9()
                try await world.daemon.start()
                let task = try await world.daemon.ended(id)
                #expect(task.at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
                #expect(
                    try await world.daemon.kinds(of: id)
                        == ["created", "submission_started", "submission_accepted", "observed"])
            }
        }

        @Test(arguments: Point.allCases)
        func `a task is paid once and succeeds, wherever the daemon is killed`(point: Point) async throws {
            try await withWorld { world in
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": point.rawValue])
                let id = try await submitUntilKilled(world)
                try await world.daemon.start()
                let again = try await submit(world)
                #expect(again.status == (id == nil && point != .afterQueued ? again.status : 200))
                let task = try await world.daemon.ended(try again.json.at("id").string ?? "")
                if let id { #expect(task.at("id").string == id) }
                #expect(task.at("state").string == "succeeded")
                #expect(task.at("attempts").integer == 1)
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 1)
                #expect(ledger.remoteIDs == [task.at("remote_id").string])
                #expect(try await world.daemon.kinds(of: task.at("id").string ?? "") == point.log)
                #expect(task.at("resolution").string == (point.log.contains("found_in_list") ? "found_in_list" : nil))
            }
        }

        @Test func `a request that was never sent is resubmitted by the policy`() async throws {
            let environment = ["POLLUX_TEST_ABSENT_SPAN_SECONDS": "1", "POLLUX_TEST_STEADY_SPAN_SECONDS": "1"]
            try await withWorld(environment: environment) { world in
                // An undocumented list is trusted once it shows something.
                try await world.daemon.start()
                let other = try await submit(world, ["idempotency_key": "another"])
                _ = try await world.daemon.process.logged("submission accepted")
                #expect(other.status == 201)
                try await world.daemon.kill9()
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": "before-first-byte"])
                _ = try await submitUntilKilled(world, ["on_uncertain": "resubmit_if_absent"])
                #expect(try await world.sandbox.ledger().billed == 1)
                try await world.daemon.start()
                let again = try await submit(world, ["on_uncertain": "resubmit_if_absent"])
                #expect(again.status == 200)
                let task = try await world.daemon.ended(try again.json.at("id").string ?? "")
                #expect(task.at("state").string == "succeeded")
                #expect(task.at("attempts").integer == 2)
                #expect(task.at("resolution").string == "resubmitted_by_policy")
                #expect(try await world.sandbox.ledger().billed == 2)
                let kinds = try await world.daemon.kinds(of: task.at("id").string ?? "")
                #expect(
                    kinds == [
                        "created", "submission_started", "submission_interrupted", "resubmitted", "submission_started",
                        "submission_accepted", "observed",
                    ])
            }
        }

        @Test func `a request that was never sent waits for a user, who resubmits it`() async throws {
            try await withWorld(environment: ["POLLUX_TEST_ABSENT_SPAN_SECONDS": "0.1"]) { world in
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": "before-first-byte"])
                _ = try await submitUntilKilled(world)
                try await world.daemon.start()
                let id = try (try await submit(world)).json.at("id").string ?? ""
                // Long enough for many readings of the list. None of them resolves the task.
                let waited = try await world.daemon.ask("GET", "/v1/tasks/\(id)?wait_seconds=3").json
                #expect(waited.at("state").string == "uncertain")
                #expect(waited.at("waiting_for", "message").string?.isEmpty == false)
                #expect(try await world.sandbox.ledger().billed == 0)
                let resolved = try await world.pollux(["resolve", id, "--resubmit"])
                #expect(resolved.exit == .code(0), "\(resolved)")
                let task = try await world.daemon.ended(id)
                #expect(task.at("state").string == "succeeded")
                #expect(task.at("resolution").string == "resubmitted")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a daemon that is killed at every start pays and finishes nothing twice`() async throws {
            try await withWorld { world in
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": "after-last-byte"])
                let id = try await submitUntilKilled(world)
                for point in ["during-poll", "after-poll-reply", "during-poll"] {
                    try world.daemon.launch(["POLLUX_TEST_KILL_AT": point])
                    #expect(try await world.daemon.process.exit() == .signal(SIGKILL))
                }
                try await world.daemon.start()
                let again = try await submit(world)
                if let id { #expect(try again.json.at("id").string == id) }
                let task = try await world.daemon.ended(try again.json.at("id").string ?? "")
                #expect(task.at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        // MARK: Submitting with a key

        private func submit(_ world: World, _ members: [String: JSONValue] = [:]) async throws -> Reply {
            let document = world.daemon.submission(
                "midjourney/imagine", ["prompt": "x [seconds=30]"],
                with: ["idempotency_key": "k"].merging(members) { $1 })
            return try await world.daemon.ask("POST", "/v1/tasks", json: document)
        }

        /// Submits and waits for the kill. Returns the id if a response came before it.
        private func submitUntilKilled(_ world: World, _ members: [String: JSONValue] = [:]) async throws -> String? {
            let reply: Reply?
            do { reply = try await submit(world, members) } catch is Connection.Closed { reply = nil }
            #expect(try await world.daemon.process.exit() == .signal(SIGKILL))
            return try reply?.json.at("id").string
        }
    }
}
