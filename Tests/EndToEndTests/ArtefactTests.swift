import Crypto
import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests that paid results reach the disk of the real daemon, whatever the download server does, also over kills.
    @Suite struct ArtefactTests {
        private static let capture = ["POLLUX_ARTEFACTS_CAPTURE": "results", "POLLUX_ARTEFACTS_KEEP_FREE": "1MiB"]

        /// The task once every file of its results is in one of these states.
        private func task(
            _ id: String, with states: Set<String>, in world: World
        ) async throws -> JSONValue {
            for _ in 1...600 {
                let task = try await world.daemon.ask("GET", "/v1/tasks/\(id)").json
                let files = task.at("results").array?.compactMap { $0.at("artefact", "state").string } ?? []
                if !files.isEmpty, files.allSatisfy(states.contains) { return task }
                try await Task.sleep(for: .milliseconds(100))
            }
            Issue.record("The results of \(id) are not \(states)")
            return .null
        }

        @Test func `a result is on disk under its name, and the socket serves it whole and in parts`() async throws {
            try await withWorld(environment: Self.capture) { world in
                try await world.daemon.start()
                let submitted = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=1]"])
                let task = try await task(submitted.at("id").string ?? "", with: ["saved"], in: world)
                #expect(task.at("state").string == "succeeded")
                let file = task.at("results").array?.first?.at("artefact") ?? .null
                let sha256 = file.at("sha256").string ?? ""
                #expect(file.at("media_type").string == "image/png")
                let path = "\(world.daemon.stateDirectory)/artefacts/\(file.at("path").string ?? "")"
                let bytes = Array(try Data(contentsOf: URL(filePath: path)))
                #expect(bytes.count == file.at("size_bytes").integer)
                #expect(bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]))
                let events = try await world.daemon.ask("GET", "/v1/tasks/\(task.at("id").string ?? "")/events").json
                #expect(events.at("events").array?.last?.at("kind").string == "result_saved")
                let missing = try await world.daemon.ask("GET", "/v1/artefacts/\(String(sha256.reversed()))")
                #expect(missing.status == 404 && missing.json.at("code").string == "artefact_not_found")
            }
        }

        @Test func `a file arrives although its download is cut, stalls short, is a page or a broken gateway`()
            async throws
        {
            let faults = "result-502@1,result-cut@2,result-short@3,result-html@4,result-changed@5"
            try await withWorld(faults: faults, environment: Self.capture) { world in
                try await world.daemon.start()
                let submitted = try await world.daemon.submit("veo/videos", ["prompt": "a fox [seconds=1]"])
                let task = try await task(submitted.at("id").string ?? "", with: ["saved"], in: world)
                #expect(task.at("state").string == "succeeded" && task.at("attempts").integer == 1)
                #expect((task.at("results").array?.first?.at("artefact", "attempts").integer ?? 0) >= 3)
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a URL that has expired is replaced by asking the provider again`() async throws {
            // The URL in the record is dead before the first download is tried a second time.
            try await withWorld(faults: "result-expires@1:2s,result-502@1", environment: Self.capture) { world in
                try await world.daemon.start()
                let submitted = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=1]"])
                let task = try await task(submitted.at("id").string ?? "", with: ["saved"], in: world)
                #expect(task.at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a redirect to a private address is refused, and pollux fetch has it tried again`() async throws {
            try await withWorld(faults: "result-redirect@1", environment: Self.capture) { world in
                try await world.daemon.start()
                let submitted = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=1]"])
                let id = submitted.at("id").string ?? ""
                let refused = try await task(id, with: ["refused"], in: world)
                #expect(refused.at("state").string == "succeeded")
                let folder = world.directory + "/copies"
                let run = try await world.pollux(["fetch", id, "-o", folder])
                #expect(run.exit == .code(0), "\(run.errors)")
                let path = run.output.split(separator: "\n").first.map(String.init) ?? ""
                #expect(path.hasPrefix(folder + "/\(id)-1"))
                #expect(try Data(contentsOf: URL(filePath: path)).starts(with: [0x89, 0x50, 0x4E, 0x47]))
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
            }
        }

        @Test func `kills during downloads lose no file and leave no half one`() async throws {
            try await withWorld(faults: "result-cut=0.5,result-502=0.2", environment: Self.capture) { world in
                try await world.daemon.start()
                var ids: [String] = []
                for number in 1...12 {
                    let task = try await world.daemon.submit("veo/videos", ["prompt": .string("\(number) [seconds=1]")])
                    ids.append(task.at("id").string ?? "")
                }
                for round in 1...6 {
                    try await Task.sleep(for: .milliseconds(150 * round))
                    try await world.daemon.kill9()
                    try await world.daemon.start()
                }
                var digests: Set<String> = []
                for id in ids {
                    let task = try await task(id, with: ["saved"], in: world)
                    for result in task.at("results").array ?? [] {
                        digests.insert(result.at("artefact", "sha256").string ?? "")
                    }
                }
                #expect(digests.count == ids.count)
                // Every object is whole: its name is its digest.
                let objects = "\(world.daemon.stateDirectory)/artefacts/objects"
                var names: Set<String> = []
                for case let path as String in try #require(FileManager.default.enumerator(atPath: objects)) {
                    let name = path.split(separator: "/").last.map(String.init) ?? ""
                    guard name.utf8.count > 2 else { continue }
                    let bytes = try Data(contentsOf: URL(filePath: "\(objects)/\(path)"))
                    #expect(SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined() == name)
                    names.insert(name)
                }
                #expect(names == digests)
                #expect(try await world.sandbox.ledger().billed == ids.count)
            }
        }
    }
}
