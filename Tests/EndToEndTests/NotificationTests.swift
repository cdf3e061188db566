import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Notifications from a real daemon to real receivers.
    @Suite struct NotificationTests {
        /// A receiver of notifications in a process of its own.
        final class Receiver: Sendable {
            let process: ChildProcess
            let address: String
            private let log: String

            init(_ world: World, name: String = "received", plan: String = "", socket: String? = nil) async throws {
                log = world.directory + "/\(name).jsonl"
                let script = URL(filePath: #filePath).deletingLastPathComponent()
                    .appending(path: "Clients/webhook_receiver.py").path
                var arguments = [script, log, "--plan", plan]
                if let socket { arguments += ["--socket", socket] }
                process = try ChildProcess(
                    arguments, of: "/usr/bin/python3", environment: ["PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"])
                address = try await process.firstLine()
            }

            var url: String { "http://127.0.0.1:\(address)/hook" }

            /// Everything that has come, with what was answered.
            var received: [JSONValue] {
                let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
                return text.split(separator: "\n").compactMap { try? JSONValue(parsing: String($0)) }
            }

            /// What was answered 204.
            var taken: [JSONValue] { received.filter { $0.at("action").string == "204" } }

            /// Returns once the types came in this order for the task, not counting repeats.
            func took(_ types: [String], of task: String) async throws {
                try await until { [self] in taken(of: task) == types }
                #expect(taken(of: task) == types)
            }

            /// The types that came for the task, not counting repeats.
            private func taken(of task: String) -> [String] {
                var seen: Set<String> = []
                return taken.filter { $0.at("body", "data", "task", "id").string == task }
                    .filter { seen.insert($0.at("headers", "webhook-id").string ?? "").inserted }
                    .map { $0.at("body", "type").string ?? "" }
            }

            /// Returns once so many were taken.
            func took(_ count: Int) async throws {
                try await until { [self] in taken.count >= count }
                #expect(taken.count >= count, "\(received.map { $0.at("action").string ?? "" })")
            }
        }

        private func settings(_ world: World, _ destinations: String) throws {
            let lines = destinations.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n")
            try notifications(world, "destinations:\n\(lines)")
        }

        /// Writes settings below `notifications`.
        private func notifications(_ world: World, _ text: String) throws {
            let path = world.directory + "/.config/pollux/pollux.yaml"
            try FileManager.default.createDirectory(
                at: URL(filePath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
            let lines = text.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n")
            try Data("notifications:\n\(lines)\n".utf8).write(to: URL(filePath: path))
        }

        private func submit(_ world: World, _ seconds: Int = 20) async throws -> String {
            try await world.daemon.submit("flux/images", ["prompt": .string("a fox [seconds=\(seconds)]")]).at("id")
                .string ?? ""
        }

        /// The changes of a task's state in its log, as types of notifications.
        private func logged(_ task: String, in world: World) async throws -> [String] {
            let events = try await world.daemon.ask("GET", "/v1/tasks/\(task)/events").json.at("events").array ?? []
            return events.filter { $0.at("to").string != nil }
                .map { "task.\($0.at("to").string ?? "")" }
        }

        private static let states = [
            "task.queued", "task.submitting", "task.uncertain", "task.running", "task.succeeded",
        ]
        private static let allStates = "events: [\(states.joined(separator: ", "))]"

        @Test(arguments: ["before-delivery", "after-delivery"])
        func `every event comes in order, wherever the daemon is killed`(point: String) async throws {
            try await withWorld { world in
                let receiver = try await Receiver(world)
                try settings(world, "hook: {url: \"\(receiver.url)\", \(Self.allStates)}")
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": point])
                _ = try? await submit(world)
                #expect(try await world.daemon.process.exit() == .signal(SIGKILL))
                try await world.daemon.start()
                let tasks = [try await submit(world), try await submit(world)]
                for task in tasks { _ = try await world.daemon.ended(task) }
                try await world.daemon.kill9()
                try await world.daemon.start()
                // The submission during the first kill may be stored, and then it may be uncertain.
                let listed = try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array ?? []
                var count = 0
                for task in listed.compactMap({ $0.at("id").string }) {
                    let logged = try await logged(task, in: world)
                    try await receiver.took(logged, of: task)
                    count += logged.count
                }
                #expect(count >= 4 * tasks.count)
                // A second delivery has the id of the first.
                let ids = Set(receiver.taken.map { $0.at("headers", "webhook-id").string ?? "" })
                #expect(ids.count == count)
                await receiver.process.destroy()
            }
        }

        @Test func `a receiver that fails in every way gets everything in the end`() async throws {
            try await withWorld { world in
                let receiver = try await Receiver(world, plan: "500,429:2,reset,redirect")
                try settings(world, "hook: {url: \"\(receiver.url)\", events: [task.succeeded]}")
                try await world.daemon.start()
                var tasks: [String] = []
                for _ in 1...5 { tasks.append(try await submit(world, 1)) }
                try await receiver.took(5)
                #expect(Set(receiver.taken.compactMap { $0.at("body", "data", "task", "id").string }) == Set(tasks))
                // The last outcome is stored after its answer.
                var waiting: Int?
                let end = Date(timeIntervalSinceNow: Double(patience))
                while waiting != 0, Date() < end {
                    let report = try await world.daemon.ask("GET", "/v1/notifications").json.at("destinations")
                    waiting = report.array?.first?.at("waiting").integer
                }
                #expect(waiting == 0)
                await receiver.process.destroy()
            }
        }

        @Test func `a receiver that does not answer is tried again`() async throws {
            try await withWorld { world in
                let receiver = try await Receiver(world, plan: "hang")
                try settings(world, "hook: {url: \"\(receiver.url)\"}")
                try await world.daemon.start()
                let (one, two) = (try await submit(world, 1), try await submit(world, 5))
                try await receiver.took(2)
                #expect(Set(receiver.taken.compactMap { $0.at("body", "data", "task", "id").string }) == [one, two])
                #expect(receiver.received.count == 3)
                await receiver.process.destroy()
            }
        }

        @Test func `410 stops a destination, a test starts it, and a replay sends again`() async throws {
            try await withWorld { world in
                let receiver = try await Receiver(world, plan: "410,503")
                try settings(world, "hook: {url: \"\(receiver.url)\"}")
                try await world.daemon.start()
                let task = try await submit(world, 1)
                try await world.daemon.process.logged("wants no more notifications")
                let status = try await world.pollux(["status"])
                #expect(status.output.contains("hook, stopped"), "\(status.output)")
                let refused = try await world.pollux(["notifications", "test", "hook"])
                #expect(refused.exit == .code(1))
                #expect(refused.output.contains("did not take the test: it answered 503"), "\(refused.output)")
                #expect(try await world.pollux(["notifications", "test", "hook"]).exit == .code(0))
                try await receiver.took(2)
                #expect(receiver.taken.map { $0.at("body", "type").string } == ["pollux.ping", "task.succeeded"])
                let replay = try await world.pollux(["notifications", "replay", "hook", "--task", task])
                #expect(replay.output == "1 event(s) are sent to hook once more.\n", "\(replay)")
                try await receiver.took(3)
                let ids = receiver.taken.dropFirst().map { $0.at("headers", "webhook-id").string }
                #expect(ids.count == 2 && Set(ids).count == 1)
                let unknown = try await world.pollux(["notifications", "test", "hok"])
                #expect(unknown.errors.contains("Did you mean \"hook\"?"), "\(unknown.errors)")
                await receiver.process.destroy()
            }
        }

        @Test func `an address that a task brings gets its events if the settings allow it`() async throws {
            try await withWorld { world in
                let receiver = try await Receiver(world, plan: "redirect,500")
                try notifications(world, "task_urls: loopback")
                try await world.daemon.start()
                let task = try await world.daemon.submit(
                    "flux/images", ["prompt": "a fox [seconds=1]"], with: ["notify": .string(receiver.url)])
                try await receiver.took(1)
                #expect(receiver.taken.first?.at("body", "data", "task", "id").string == task.at("id").string)
                #expect(receiver.taken.first?.at("headers", "webhook-signature").string == nil)
                let inner = world.daemon.submission(
                    "flux/images", ["prompt": "a fox"], with: ["notify": "https://169.254.169.254/latest"])
                let refused = try await world.daemon.ask("POST", "/v1/tasks", json: inner)
                #expect(
                    refused.status == 422 && refused.text.contains("must not be a link-local address"),
                    "\(refused.text)")
                // A reload forbids it.
                try notifications(world, "task_urls: off")
                #expect(try await world.pollux(["reload"]).exit == .code(0))
                let again = world.daemon.submission(
                    "flux/images", ["prompt": "a fox"], with: ["notify": .string(receiver.url)])
                #expect(try await world.daemon.ask("POST", "/v1/tasks", json: again).status == 422)
                await receiver.process.destroy()
            }
        }

        @Test func `a new destination gets what happens after the reload`() async throws {
            try await withWorld { world in
                let receiver = try await Receiver(world)
                try notifications(world, "task_urls: off")
                try await world.daemon.start()
                _ = try await submit(world, 1)
                try settings(world, "hook: {url: \"\(receiver.url)\", events: [task.queued]}")
                #expect(try await world.pollux(["reload"]).exit == .code(0))
                let task = try await submit(world, 1)
                try await receiver.took(1)
                #expect(receiver.taken.map { $0.at("body", "data", "task", "id").string } == [task])
                await receiver.process.destroy()
            }
        }

        @Test func `a socket and a program are notified too`() async throws {
            try await withWorld { world in
                let receiver = try await Receiver(world, socket: world.directory + "/hook.sock")
                let file = world.directory + "/notified"
                let script = "read task; echo $POLLUX_EVENT $POLLUX_TASK_ID ${XHUOAPI_TOKEN-none} >> \(file)"
                try settings(
                    world,
                    """
                    hook: {unix: \(receiver.address)}
                    desk: {exec: [/bin/sh, -c, '\(script)']}
                    """)
                try await world.daemon.start()
                let task = try await submit(world, 1)
                try await receiver.took(1)
                try await until { FileManager.default.fileExists(atPath: file) }
                _ = try await world.daemon.stop()
                #expect(try String(contentsOfFile: file, encoding: .utf8) == "task.succeeded \(task) none\n")
                #expect(receiver.taken.first?.at("body", "data", "task", "state").string == "succeeded")
                await receiver.process.destroy()
            }
        }
    }
}

/// Returns once the condition holds, or the patience is over.
private func until(_ condition: @escaping @Sendable () -> Bool) async throws {
    try await onThread {
        let end = Date(timeIntervalSinceNow: Double(patience))
        while !condition(), Date() < end { usleep(50_000) }
    }
}
