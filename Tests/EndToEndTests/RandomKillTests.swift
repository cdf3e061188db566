import Foundation
import Glibc
import Randomness
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Kills the daemon repeatedly while clients use it. `scripts/run-crash-test.sh N` runs it with N kills.
    @Suite struct RandomKillTests {
        @Test func `random kills under load lose, duplicate and change nothing`() async throws {
            let variables = ProcessInfo.processInfo.environment
            let kills = variables["POLLUX_CRASH_KILLS"].flatMap { Int($0) } ?? 50
            let seed = variables["POLLUX_CRASH_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...99_999)
            print("Random kills: \(kills), seed \(seed)")
            let environment = [
                "POLLUX_TEST_ABSENT_SPAN_SECONDS": "3", "POLLUX_TEST_STEADY_SPAN_SECONDS": "1",
                "POLLUX_SUBMISSION_ON_UNCERTAIN": "resubmit_if_absent",
            ]
            try await withWorld(faults: StormTests.faults, seed: seed, environment: environment) { world in
                try await world.daemon.start()
                let progress = Watched(Progress())
                async let outcomes = useIt(world.daemon, reporting: progress)
                var random = SeededRandom(seed: seed)
                for _ in 0..<kills {
                    try await killAndStart(world.daemon, using: &random)
                    try await waitForAnEnd(after: progress)
                }
                progress.change { $0.isOver = true }
                let count = try await Count(of: outcomes, in: world)
                print("Random kills: \(kills), seed \(seed): \(count)")
                #expect(count.lost == 0, "seed \(seed): \(count)")
                #expect(count.doubled == 0, "seed \(seed): \(count)")
                #expect(count.changed == 0, "seed \(seed): \(count)")
                #expect(count.tasks > kills, "There was too little load: \(count)")
            }
        }

        /// What the clients have seen.
        private struct Progress {
            /// Whether the clients have stopped submitting tasks.
            var isOver = false
            /// Kills since a task last ended.
            var killsWithoutEnd = 0
        }

        /// Waits until a task has ended, after twenty lives without an end.
        ///
        /// A lost reply takes several queries within a life. On a busy machine each random life may be too short for
        /// one.
        private func waitForAnEnd(after progress: Watched<Progress>) async throws {
            progress.change { $0.killsWithoutEnd += 1 }
            guard progress.current.killsWithoutEnd >= 20 else { return }
            try await progress.wait(for: "the end of a task", within: 300) { $0.killsWithoutEnd == 0 ? true : nil }
        }

        /// Waits a moment, kills the daemon and starts it again.
        ///
        /// One start in five is killed before it is ready. One stop in four uses SIGTERM.
        private func killAndStart(_ daemon: RunningDaemon, using random: inout SeededRandom) async throws {
            // The daemon does not exit by itself, so this only waits.
            _ = try? await daemon.process.exit(within: .random(in: 0.02...1.2, using: &random))
            try await daemon.kill9()
            if Int.random(in: 0..<5, using: &random) == 0 {
                try daemon.launch()
                _ = try? await daemon.process.exit(within: .random(in: 0.005...0.15, using: &random))
                try await daemon.kill9()
            }
            try await daemon.start()
            if Int.random(in: 0..<4, using: &random) == 0 {
                _ = try? await daemon.process.exit(within: .random(in: 0.02...0.6, using: &random))
                #expect(try await daemon.stop() == .code(0))
                try await daemon.start()
            }
            // A kill does not count as a restore.
            #expect(try await daemon.persistently("GET", "/v1/restore").json.at("restored") == false)
        }

        /// Sixteen clients submit one task after another and wait for each, with any number of retries.
        private func useIt(
            _ daemon: RunningDaemon, reporting progress: Watched<Progress>
        ) async throws -> [JSONValue] {
            try await withThrowingTaskGroup(of: [JSONValue].self) { group in
                for client in 0..<16 {
                    group.addTask {
                        var outcomes: [JSONValue] = []
                        while !progress.current.isOver {
                            let name = "\(client)-\(outcomes.count)"
                            let endpoint = StormTests.endpoints[outcomes.count % StormTests.endpoints.count]
                            let document = daemon.submission(
                                endpoint, ["prompt": .string("\(name) [seconds=\(5 + outcomes.count % 5 * 10)]")],
                                with: ["idempotency_key": .string(name)])
                            let reply = try await daemon.persistently("POST", "/v1/tasks", json: document)
                            guard (200...201).contains(reply.status), let id = try reply.json.at("id").string else {
                                throw TooLate(description: "\(reply.status): \(reply.text)")
                            }
                            outcomes.append(try await end(of: id, at: daemon, reporting: progress))
                        }
                        return outcomes
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }

        /// Retries until the task has ended. A stopping daemon ends long polls early.
        private func end(
            of id: String, at daemon: RunningDaemon, reporting progress: Watched<Progress>
        ) async throws -> JSONValue {
            var questions = 0
            while questions < 100 {
                let task = try await daemon.persistently("GET", "/v1/tasks/\(id)?wait_seconds=30").json
                if task.at("ended_at") != .null {
                    progress.change { $0.killsWithoutEnd = 0 }
                    return task
                }
                if progress.current.isOver { questions += 1 }
            }
            throw TooLate(description: "Task \(id) did not end over a hundred questions.\n\(daemon.log.suffix(3_000))")
        }

        /// The effects of the kills according to the daemon and the provider's ledger.
        struct Count: CustomStringConvertible {
            let tasks: Int
            /// Accepted tasks that are missing, did not succeed or were never billed; and bills without a task.
            let lost: Int
            let doubled: Int
            /// Tasks whose outcome changed after the client received it.
            let changed: Int

            var description: String { "\(tasks) tasks, \(lost) lost, \(doubled) doubled, \(changed) changed" }

            /// Compares the clients' responses with the daemon's and the provider's final state.
            init(of outcomes: [JSONValue], in world: World) async throws {
                let ledger = try await world.sandbox.ledger()
                let bills = Dictionary(grouping: ledger.remoteIDs) { ledger.prompts[$0] ?? "" }
                var (lost, changed) = (0, 0)
                var known: Set<String> = []
                for outcome in outcomes {
                    let now = try await world.daemon.task(outcome.at("id").string ?? "")
                    let remoteID = now.at("remote_id").string ?? ""
                    known.insert(remoteID)
                    if now.at("state").string != "succeeded" || ledger.prompts[remoteID] == nil { lost += 1 }
                    let told = ["state", "remote_id", "response", "results", "ended_at", "resolution"]
                    if told.contains(where: { now.at($0) != outcome.at($0) }) { changed += 1 }
                }
                tasks = outcomes.count
                self.lost = lost + Set(ledger.remoteIDs).subtracting(known).count
                self.changed = changed
                doubled = bills.values.count { $0.count > 1 }
            }
        }
    }
}
