import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests streams of the log of a real daemon.
    @Suite struct StreamTests {
        /// Opens a stream and reads its head.
        private func stream(
            _ daemon: RunningDaemon, _ query: String = "", headers: [String: String] = [:]
        ) async throws -> (connection: Connection, head: Reply) {
            try await onThread {
                let connection = try daemon.connect()
                let fields = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
                try connection.write(
                    "GET /v1/events\(query) HTTP/1.1\r\nHost: pollux\r\nAccept: application/x-ndjson\r\n\(fields)\r\n")
                return (connection, try connection.head())
            }
        }

        /// The documents up to the first for which the closure returns true.
        private func documents(
            _ connection: Connection, until isLast: @escaping @Sendable (JSONValue) -> Bool
        ) async throws -> [JSONValue] {
            try await onThread {
                var documents: [JSONValue] = []
                while let chunk = try connection.chunk() {
                    for line in chunk.split(separator: UInt8(ascii: "\n")) {
                        documents.append(try JSONValue(parsing: Array(line)))
                        if isLast(documents[documents.count - 1]) { return documents }
                    }
                }
                return documents
            }
        }

        private func isCaughtUp(_ document: JSONValue) -> Bool { document.at("control").string == "caught_up" }

        /// The places of all lines of these tasks, in order.
        private func places(of ids: [String], _ daemon: RunningDaemon) async throws -> [Int] {
            var places: [Int] = []
            for id in ids {
                let events = try await daemon.ask("GET", "/v1/tasks/\(id)/events").json.at("events").array ?? []
                places += events.compactMap { $0.at("sequence").integer }
            }
            return places.sorted()
        }

        private func printedPlaces(_ output: String) throws -> [Int] {
            try output.split(separator: "\n").compactMap {
                try JSONValue(parsing: String($0)).at("sequence").integer
            }
        }

        @Test func `a follower sees each event once, over kill -9 and stops of the daemon`() async throws {
            try await withWorld { world in
                // Without a token nothing is sent, so no task depends on the effects of a kill at the provider.
                let changes: [String: String?] = ["XHUOAPI_TOKEN": nil]
                try await world.daemon.start(changes)
                let follower = try ChildProcess(
                    ["follow", "--after", "0", "--label", "kind=mine"], environment: world.daemon.environment)
                defer { follower.send(SIGKILL) }
                var ids: [String] = []
                for round in 0..<6 {
                    for number in 0..<8 {
                        let task = try await world.daemon.submit(
                            "flux/images", ["prompt": .string("\(round) \(number)")],
                            with: ["labels": ["kind": .string(number == 0 ? "other" : "mine")]])
                        let id = task.at("id").string ?? ""
                        if number > 0 { ids.append(id) }
                        if number.isMultiple(of: 3) { _ = try await world.daemon.ask("POST", "/v1/tasks/\(id)/cancel") }
                    }
                    // It needs a daemon for its start only.
                    if round == 0 { try await follower.printed("\"sequence\":") }
                    if round == 1 { _ = try await world.daemon.stop() } else { try await world.daemon.kill9() }
                    try await world.daemon.start(changes)
                }
                let last = try await world.daemon.submit(
                    "flux/images", ["prompt": "the last one"], with: ["labels": ["kind": "mine"]])
                ids.append(last.at("id").string ?? "")
                let expected = try await places(of: ids, world.daemon)
                let end = try #require(expected.last)
                try await follower.printed("\"sequence\":\(end),")
                #expect(try printedPlaces(follower.outputText) == expected)
                #expect(follower.errorText.contains("has ended") && follower.errorText.contains("Connected again"))
                #expect(!follower.errorText.contains("missing"), "\(follower.errorText)")
                follower.send(SIGINT)
                #expect(try await follower.exit() == .code(0))
            }
        }

        @Test func `a client that does not read for a while gets all events in order`() async throws {
            try await withWorld { world in
                // Without a token nothing is sent, so each task has one event.
                try await world.daemon.start(["XHUOAPI_TOKEN": nil])
                let (slow, head) = try await stream(world.daemon)
                #expect(head.status == 200)
                _ = try await documents(slow, until: isCaughtUp)
                let count = 6_000
                let lines = (0..<count).map { #"{"endpoint":"flux/images","request":{"n":\#($0)}}"# + "\n" }.joined()
                let stored = try await world.daemon.ask(
                    "POST", "/v1/tasks", lines, headers: ["Content-Type": "application/x-ndjson"])
                #expect(stored.status == 200)
                let events = try await documents(slow) { $0.at("sequence").integer == count }
                #expect(events.compactMap { $0.at("sequence").integer } == Array(1...count))
            }
        }

        @Test func `hundreds of streams leave room on the socket, and one beyond the limit is rejected`() async throws {
            try await withWorld(environment: ["POLLUX_EVENTS_MAX_STREAMS": "560"]) { world in
                try await world.daemon.start(["XHUOAPI_TOKEN": nil])
                var streams: [Connection] = []
                for _ in 0..<560 {
                    let (connection, head) = try await stream(world.daemon)
                    guard head.status == 200 else {
                        throw TooLate(description: "\(head.status) after \(streams.count)")
                    }
                    streams.append(connection)
                }
                let (extra, refused) = try await stream(world.daemon)
                #expect(refused.status == 503)
                #expect(refused.headers["retry-after"] == "10")
                extra.cut()
                let task = try await world.daemon.submit("flux/images", ["prompt": "x"])
                for connection in [streams[0], streams[559]] {
                    let events = try await documents(connection) { $0.at("sequence").integer != nil }
                    #expect(events.last?.at("task_id") == task.at("id"))
                }
                // Streams do not delay the stop.
                #expect(try await world.daemon.stop(within: 15) == .code(0))
                _ = try await documents(streams[1]) { _ in false }
            }
        }

        @Test func `a place from before a restore is a reset, and the log has a new epoch`() async throws {
            try await withWorld { world in
                let state = world.daemon.stateDirectory
                let copy = world.daemon.directory + "/copy"
                let changes: [String: String?] = ["XHUOAPI_TOKEN": nil]
                try await world.daemon.start(changes)
                _ = try await world.daemon.submit("flux/images", ["prompt": "before"])
                _ = try await world.daemon.stop()
                try FileManager.default.copyItem(atPath: state, toPath: copy)
                try await world.daemon.start(changes)
                _ = try await world.daemon.submit("flux/images", ["prompt": "after"])
                let (first, _) = try await stream(world.daemon, "?after=0")
                let seen = try await documents(first, until: isCaughtUp)
                let id = try #require(seen.last?.at("newest").string)
                _ = try await world.daemon.stop()
                try FileManager.default.removeItem(atPath: state)
                try FileManager.default.copyItem(atPath: copy, toPath: state)
                try await world.daemon.start(changes)
                #expect(try await world.daemon.ask("GET", "/v1/restore").json.at("restored") == true)
                let (second, _) = try await stream(world.daemon, headers: ["Last-Event-ID": id])
                let reset = try #require(try await documents(second, until: isCaughtUp).first)
                #expect(reset.at("control").string == "reset" && reset.at("reason").string == "restored")
                let newest = try #require(reset.at("newest").string)
                #expect(newest.prefix { $0 != "-" } != id.prefix { $0 != "-" })
                // The place stays valid when a person accepts the restore.
                _ = try await world.daemon.ask("POST", "/v1/restore", json: ["accept": true])
                let (third, _) = try await stream(world.daemon, "?after=\(newest)")
                let later = try await documents(third, until: isCaughtUp)
                #expect(!later.contains { $0.at("control").string == "reset" })
            }
        }

        @Test func `a place before removed events is a reset`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id = try await world.daemon.submit("flux/images", ["prompt": "x [seconds=1]"]).at("id").string ?? ""
                _ = try await world.daemon.ended(id)
                let (first, _) = try await stream(world.daemon, "?after=0")
                let place = try #require(try await documents(first, until: isCaughtUp).first?.at("id").string)
                #expect(try await world.daemon.ask("POST", "/v1/tasks/\(id)/delete").status == 200)
                let follower = try ChildProcess(["follow", "--after", place], environment: world.daemon.environment)
                defer { follower.send(SIGKILL) }
                try await follower.logged("Events may be missing: Events after that place were removed")
                follower.send(SIGTERM)
                #expect(try await follower.exit() == .code(0))
            }
        }

        @Test func `a wait continues over restarts, and does not need removed events`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                var ids: [String] = []
                for seconds in [1, 200, 300] {
                    let task = try await world.daemon.submit(
                        "flux/images", ["prompt": .string("x [seconds=\(seconds)]")])
                    ids.append(task.at("id").string ?? "")
                }
                // The same task may be named twice.
                let wait = try ChildProcess(["wait"] + ids + [ids[1]], environment: world.daemon.environment)
                defer { wait.send(SIGKILL) }
                try await wait.logged("\(ids[0]) succeeded")
                #expect(try await world.daemon.ask("POST", "/v1/tasks/\(ids[0])/delete").status == 200)
                try await world.daemon.kill9()
                try await world.daemon.start()
                #expect(try await wait.exit() == .code(0), "\(wait.errorText)")
                #expect(wait.outputText.occurrences(of: "succeeded") == 4, "\(wait.outputText)")
            }
        }

        @Test func `follow rejects invalid arguments and unknown tasks`() async throws {
            try await withWorld { world in
                #expect(try await world.pollux(["follow"]).exit == .code(69))
                try await world.daemon.start()
                for (arguments, code, naming) in [
                    (["--after", "x"], 65, "Last-Event-ID"), (["--state", "runing"], 64, "running"),
                    (["abcd"], 66, "abcd"),
                    (["--include", "all"], 65, "include"), (["--endpoint", "flux"], 65, "endpoint"),
                ] as [([String], Int32, String)] {
                    let result = try await world.pollux(["follow"] + arguments)
                    #expect(result.exit == .code(code), "\(arguments) \(result)")
                    #expect(result.errors.contains(naming), "\(arguments) \(result)")
                }
            }
        }
    }
}

extension String {
    /// The number of non-overlapping occurrences of the pattern.
    fileprivate func occurrences(of pattern: String) -> Int { Array(utf8).occurrences(of: Array(pattern.utf8)) }
}
