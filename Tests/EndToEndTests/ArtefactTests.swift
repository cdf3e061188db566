import Crypto
import Foundation
import Glibc
import Randomness
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests that paid results reach the disk of the real daemon, whatever the download server does, also over kills.
    @Suite struct ArtefactTests {
        private static let capture = ["POLLUX_ARTEFACTS_CAPTURE": "results", "POLLUX_ARTEFACTS_KEEP_FREE": "1MiB"]

        /// The task once every file of its results is in one of these states. After several failures a file waits for minutes.
        private func task(
            _ id: String, with states: Set<String>, in world: World
        ) async throws -> JSONValue {
            for _ in 1...3_600 {
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
                #expect(try missing.status == 404 && missing.json.at("code").string == "artefact_not_found")
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

        /// The steps of a download at which a debug build can be killed.
        @Test(arguments: ["during-download", "after-download", "after-object", "after-name", "after-saved"])
        func `a file is whole and saved once, wherever the daemon is killed`(point: String) async throws {
            try await withWorld(environment: Self.capture) { world in
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": point])
                let submitted = try await world.daemon.submit("veo/videos", ["prompt": "a fox [seconds=1]"])
                #expect(try await world.daemon.process.exit(within: Double(patience)) == .signal(SIGKILL))
                try await world.daemon.start()
                let id = submitted.at("id").string ?? ""
                let task = try await task(id, with: ["saved"], in: world)
                let digests = task.at("results").array?.compactMap { $0.at("artefact", "sha256").string } ?? []
                #expect(try wholeObjects(in: world) == Set(digests) && digests.count == 1)
                #expect(try await world.daemon.kinds(of: id).count { $0 == "result_saved" } == 1)
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test(arguments: ["after-mark", "after-unlink"])
        func `a file of a deleted task is gone, wherever the daemon is killed`(point: String) async throws {
            try await withWorld(environment: Self.capture) { world in
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": point])
                let submitted = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=1]"])
                let id = submitted.at("id").string ?? ""
                let saved = try await task(id, with: ["saved"], in: world)
                let file = saved.at("results").array?.first?.at("artefact") ?? .null
                let (path, sha256) = (file.at("path").string ?? "none", file.at("sha256").string ?? "none")
                _ = try? await world.daemon.ask("POST", "/v1/tasks/\(id)/delete")
                #expect(try await world.daemon.process.exit(within: Double(patience)) == .signal(SIGKILL))
                try await world.daemon.start()
                let folder = "\(world.daemon.stateDirectory)/artefacts"
                let object = "\(folder)/objects/\(sha256.prefix(2))/\(sha256)"
                for _ in 1...600 {
                    guard FileManager.default.fileExists(atPath: object) else { break }
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(!FileManager.default.fileExists(atPath: object))
                #expect(!FileManager.default.fileExists(atPath: "\(folder)/\(path)"))
                #expect(try wholeObjects(in: world).isEmpty)
                #expect(try await world.daemon.task(id).at("state").string == "succeeded")
            }
        }

        @Test func `when the quota is full, what a client has had makes room, then results wait`() async throws {
            // Room for one picture.
            let quota = ["POLLUX_ARTEFACTS_QUOTA": "20KiB"]
            try await withWorld(environment: Self.capture.merging(quota) { $1 }) { world in
                try await world.daemon.start()
                func submit(_ prompt: String) async throws -> String {
                    try await world.daemon.submit("flux/images", ["prompt": .string(prompt + " [seconds=1]")])
                        .at("id").string ?? ""
                }
                let first = try await submit("a fox")
                _ = try await task(first, with: ["saved"], in: world)
                let second = try await submit("a hare")
                for _ in 1...600 {
                    let status = try await world.daemon.ask("GET", "/v1/status").json
                    if status.at("artefacts", "without_room").integer == 1 { break }
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(try await world.daemon.kinds(of: second).last == "result_waiting")
                let card = try await world.pollux(["status"])
                #expect(card.output.split(separator: "\n").dropFirst().first?.contains("1 wait for room") == true)
                let folder = world.directory + "/copies"
                let copy = try await world.pollux(["fetch", first, "-o", folder])
                #expect(copy.exit == .code(0), "\(copy.errors)")
                // Fetched again a minute later by itself; a person does not wait for that.
                _ = try await world.daemon.ask("POST", "/v1/tasks/\(second)/results/fetch")
                _ = try await task(second, with: ["saved"], in: world)
                _ = try await task(first, with: ["removed"], in: world)
                #expect(try wholeObjects(in: world).count == 1)
            }
        }

        @Test func `a task without capture has no file, until one is asked for`() async throws {
            try await withWorld(environment: Self.capture) { world in
                try await world.daemon.start()
                let run = try await world.pollux([
                    "submit", "flux/images", "-d", "prompt=a fox [seconds=1]", "--no-capture",
                ])
                let id = run.output.split(separator: "\n").first.map(String.init) ?? ""
                let ended = try await world.daemon.ended(id)
                #expect(ended.at("capture") == false)
                #expect(ended.at("results").array?.first?.at("artefact") == .null)
                let copy = try await world.pollux(["fetch", id, "-o", world.directory + "/copies"])
                #expect(copy.exit == .code(0), "\(copy.errors)")
                #expect(try wholeObjects(in: world).count == 1)
            }
        }

        // MARK: Long values of records

        private static func google(_ world: World) -> [String: String?] {
            [
                "GEMINI_API_KEY": World.token,
                "POLLUX_PROVIDERS_GOOGLE_BASE_URL": "http://127.0.0.1:\(world.sandbox.port)/google",
            ]
        }

        /// Submits a task whose record contains a picture of 200 KiB; returns its id.
        private func submitPicture(in world: World) async throws -> String {
            let request: JSONValue = ["model": "gemini-3-image", "input": "a fox [seconds=1] [kib=200]"]
            return try await world.daemon.submit("google:interactions", request).at("id").string ?? ""
        }

        /// The bytes of the picture in a task.
        private func picture(in task: JSONValue) throws -> Data {
            let result = try #require(task.at("results").array?.first)
            let pointer = try #require(result.at("pointer").string.flatMap { JSONPointer($0) })
            let text = task.at("response").value(at: pointer)?.string
            return try #require(text.flatMap { Data(base64Encoded: $0) })
        }

        /// The names of all files of records.
        private func parts(in world: World) throws -> [String] {
            let folder = "\(world.daemon.stateDirectory)/artefacts/parts"
            let paths = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
            return paths.compactMap { $0.split(separator: "/").last.map(String.init) }.filter { $0.utf8.count == 64 }
        }

        @Test func `a picture in a record is copied like any other result`() async throws {
            try await withWorld(environment: Self.capture) { world in
                try await world.daemon.start(Self.google(world))
                let request = #"{"model":"gemini-3-image","input":"a fox [seconds=1] [kib=200]"}"#
                let run = try await world.pollux([
                    "submit", "google:interactions", "--json-body", request, "--wait", "-o",
                    world.directory + "/copies",
                ])
                #expect(run.exit == .code(0), "\(run.errors)")
                let path = run.output.split(separator: "\n").last.map(String.init) ?? ""
                #expect(try Data(contentsOf: URL(filePath: path)).count == 200 * 1_024)
            }
        }

        @Test func `a picture in a record is a file with a name, and the record is read as it came`() async throws {
            try await withWorld(environment: Self.capture) { world in
                try await world.daemon.start(Self.google(world))
                let id = try await submitPicture(in: world)
                let task = try await task(id, with: ["saved"], in: world)
                let file = task.at("results").array?.first?.at("artefact") ?? .null
                let bytes = try picture(in: task)
                #expect(bytes.count == 200 * 1_024)
                let digest = SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
                #expect(file.at("sha256").string == digest && file.at("media_type").string == "image/png")
                let path = "\(world.daemon.stateDirectory)/artefacts/\(file.at("path").string ?? "")"
                #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
                #expect(try parts(in: world) == [digest])
                let database = "\(world.daemon.stateDirectory)/pollux.sqlite"
                let sizes = try [database, database + "-wal"].map { try Data(contentsOf: URL(filePath: $0)) }
                #expect(
                    !sizes.contains {
                        $0.range(of: Data(bytes.base64EncodedString().utf8.dropFirst(9_000).prefix(90))) != nil
                    })
                // A backup is one file with everything.
                let target = world.directory + "/backups"
                try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
                let backup = try await world.pollux(["backup", target])
                #expect(backup.exit == .code(0), "\(backup.errors)")
                let other = RunningDaemon(directory: world.directory + "/other", environment: [:])
                try FileManager.default.createDirectory(
                    atPath: other.stateDirectory, withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700])
                try FileManager.default.copyItem(
                    atPath: backup.output.trimmingCharacters(in: .newlines),
                    toPath: other.stateDirectory + "/pollux.sqlite")
                do {
                    try await other.start()
                    try await other.process.logged("1 file(s) of records were written")
                    #expect(try picture(in: try await other.task(id)) == bytes)
                } catch {
                    Issue.record("\(error)\n\(other.log)")
                }
                await other.destroy()
                // It leaves the disk with its task.
                _ = try await world.daemon.ask("POST", "/v1/tasks/\(id)/delete")
                for _ in 1...600 {
                    guard try !parts(in: world).isEmpty || FileManager.default.fileExists(atPath: path) else { break }
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(try parts(in: world).isEmpty && !FileManager.default.fileExists(atPath: path))
            }
        }

        @Test func `an outcome is stored and paid once, if the daemon is killed before it but after its file`()
            async throws
        {
            try await withWorld(environment: Self.capture) { world in
                try await world.daemon.start(Self.google(world).merging(["POLLUX_TEST_KILL_AT": "after-part"]) { $1 })
                let id = try await submitPicture(in: world)
                #expect(try await world.daemon.process.exit(within: Double(patience)) == .signal(SIGKILL))
                #expect(try parts(in: world).count == 1)
                try await world.daemon.start(Self.google(world))
                let task = try await task(id, with: ["saved"], in: world)
                #expect(try picture(in: task).count == 200 * 1_024)
                #expect(try parts(in: world).count == 1)
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `without its directory nothing is lost, asked for again or removed, and the status says why`()
            async throws
        {
            try await withWorld(environment: Self.capture) { world in
                let disk = world.directory + "/disk"
                try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
                let settings = Self.google(world).merging(["POLLUX_ARTEFACTS_DIRECTORY": disk + "/files"]) { $1 }
                try await world.daemon.start(settings)
                let saved =
                    try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=1]"])
                    .at("id").string ?? ""
                _ = try await task(saved, with: ["saved"], in: world)
                try await world.daemon.kill9()
                try FileManager.default.moveItem(atPath: disk + "/files", toPath: disk + "/unmounted")
                try FileManager.default.createDirectory(atPath: disk + "/files", withIntermediateDirectories: false)
                try await world.daemon.start(settings)
                try await world.daemon.process.logged("has no file .pollux-artefacts")
                let id = try await submitPicture(in: world)
                // The record is stored as a whole.
                #expect(try picture(in: try await world.daemon.ended(id)).count == 200 * 1_024)
                let card = try await world.pollux(["status"])
                let words = card.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(words.contains("has no file .pollux-artefacts"), "\(card.output)")
                let task = try await task(saved, with: ["saved"], in: world)
                let digest = task.at("results").array?.first?.at("artefact", "sha256").string ?? ""
                let answer = try await world.daemon.ask("GET", "/v1/artefacts/\(digest)")
                #expect(try answer.status == 503 && answer.json.at("code").string == "artefacts_unavailable")
                #expect(try FileManager.default.contentsOfDirectory(atPath: disk + "/files").isEmpty)
                try FileManager.default.removeItem(atPath: disk + "/files")
                try FileManager.default.moveItem(atPath: disk + "/unmounted", toPath: disk + "/files")
                #expect(try await world.daemon.ask("GET", "/v1/artefacts/\(digest)").status == 200)
            }
        }

        @Test func `a second daemon does not use the directory of the first`() async throws {
            try await withWorld(environment: Self.capture) { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=1]"])
                    .at("id").string ?? ""
                _ = try await task(id, with: ["saved"], in: world)
                let objects = try wholeObjects(in: world)
                let other = RunningDaemon(
                    directory: world.directory + "/other",
                    environment: ["POLLUX_ARTEFACTS_DIRECTORY": "\(world.daemon.stateDirectory)/artefacts"])
                do {
                    try await other.start()
                    try await other.process.logged("belongs to another Pollux")
                } catch {
                    Issue.record("\(error)\n\(other.log)")
                }
                await other.destroy()
                #expect(try wholeObjects(in: world) == objects)
            }
        }

        /// The names of all objects, each of which must be the digest of its contents.
        private func wholeObjects(in world: World) throws -> Set<String> {
            let objects = "\(world.daemon.stateDirectory)/artefacts/objects"
            var names: Set<String> = []
            for case let path as String in try #require(FileManager.default.enumerator(atPath: objects)) {
                let name = path.split(separator: "/").last.map(String.init) ?? ""
                guard name.utf8.count > 2, !name.hasPrefix(".draft") else { continue }
                let bytes = try Data(contentsOf: URL(filePath: "\(objects)/\(path)"))
                #expect(SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined() == name)
                names.insert(name)
            }
            return names
        }

        /// `scripts/run-download-crash-test.sh N` runs it with N kills.
        @Test func `kills during downloads lose no file and leave no half one`() async throws {
            let variables = ProcessInfo.processInfo.environment
            let kills = variables["POLLUX_DOWNLOAD_KILLS"].flatMap { Int($0) } ?? 6
            let seed = variables["POLLUX_CRASH_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...99_999)
            print("Kills during downloads: \(kills), seed \(seed)")
            try await withWorld(
                faults: "result-cut=0.3,result-502=0.1", seed: seed, environment: Self.capture
            ) { world in
                var random = SeededRandom(seed: seed)
                try await world.daemon.start()
                var ids: [String] = []
                for kill in 1...kills {
                    var latest: [String] = []
                    for number in 1...2 {
                        let prompt = JSONValue.string("\(kill)-\(number) [seconds=1]")
                        latest.append(
                            try await world.daemon.submit("veo/videos", ["prompt": prompt]).at("id").string ?? "")
                    }
                    // A kill before the outcome would be one of a submission or a poll.
                    for id in latest { _ = try await world.daemon.ended(id) }
                    ids += latest
                    _ = try? await world.daemon.process.exit(within: .random(in: 0.01...0.4, using: &random))
                    try await world.daemon.kill9()
                    try await world.daemon.start()
                }
                // A download that failed seven times, as one of two thousand does, waits for half an hour.
                for id in ids { _ = try await world.daemon.ask("POST", "/v1/tasks/\(id)/results/fetch") }
                var digests: Set<String> = []
                for id in ids {
                    let task = try await task(id, with: ["saved"], in: world)
                    for result in task.at("results").array ?? [] {
                        digests.insert(result.at("artefact", "sha256").string ?? "")
                    }
                    #expect(try await world.daemon.kinds(of: id).count { $0 == "result_saved" } == 1)
                }
                #expect(digests.count == ids.count, "seed \(seed)")
                // No object is half, and none is left over.
                #expect(try wholeObjects(in: world) == digests, "seed \(seed)")
                #expect(try await world.sandbox.ledger().billed == ids.count, "seed \(seed)")
                print("Kills during downloads: \(kills), seed \(seed): \(ids.count) files")
            }
        }
    }
}
