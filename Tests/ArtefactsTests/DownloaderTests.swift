import Crypto
import Foundation
import Logging
import NIOPosix
import ProviderCatalog
import Sandbox
import ServiceLifecycle
import TaskEngine
import TaskModel
import TaskTesting
import Testing
import Text
import UpstreamHTTP

@testable import Artefacts

/// Tests downloads from the sandbox, with its faults, into a directory of the test's own.
@Suite(.timeLimit(.minutes(2))) struct DownloaderTests {
    /// A sandbox, and a downloader whose provider is at that sandbox.
    struct World: Sendable {
        let port: Int
        let directory: TemporaryDirectory
        let files: ObjectFiles
        let downloader: Downloader
        let hosts: HostAllowlist

        /// The names of all objects. Those that are still being written are waited for: the end of a download does not wait for
        /// the end of its tasks.
        var objects: [String] {
            get async {
                var folders: [String] = []
                for _ in 0..<200 {
                    folders = Self.names(in: directory.file("objects"))
                    guard folders.contains(where: { $0.hasPrefix(".") }) else { break }
                    try? await Task.sleep(for: .milliseconds(20))
                }
                return folders.flatMap { folder in
                    folder.hasPrefix(".") ? [folder] : Self.names(in: directory.file("objects/\(folder)"))
                }
            }
        }

        static func names(in path: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
        }

        /// An artefact of the task of all requests.
        var artefact: Artefact {
            Artefact(
                Artefact.ID(task: TrackedTask.task(1).id, ordinal: 0), url: "http://127.0.0.1/", host: "127.0.0.1",
                expiresAt: nil, nextAt: ManualTimeSource.start)
        }

        func request(
            _ path: String = "/files/flux/a.png", promised: String? = "image/png", ordinal: Int = 0,
            maxBytes: Int64 = 1 << 30
        ) -> ArtefactRequest {
            ArtefactRequest(
                id: Artefact.ID(task: TrackedTask.task(1).id, ordinal: ordinal),
                url: path.hasPrefix("/") ? "http://127.0.0.1:\(port)\(path)" : path,
                account: ProviderAccount(provider: "testing"),
                hosts: hosts,
                promisedType: promised, name: "by-task/2026-11-28/flux-images/x-1", maxBytes: maxBytes)
        }

        func download(_ request: ArtefactRequest) async -> Result<Artefact.Object, ArtefactFailure> {
            do throws(ArtefactFailure) {
                return .success(try await downloader.download(request))
            } catch {
                return .failure(error)
            }
        }

        func bytes(of object: Artefact.Object) throws -> [UInt8] {
            Array(try Data(contentsOf: URL(filePath: directory.file(object.name))))
        }
    }

    private func with(
        faults: String = "none", limits: ObjectFiles.Limits = ObjectFiles.Limits(keepFree: 1), lookUp: [String] = [],
        _ test: (World) async throws -> Void
    ) async throws {
        var settings = SandboxSettings()
        settings.faults = try FaultPlan(parsing: faults)
        let (ports, port) = AsyncStream<Int>.makeStream()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = SandboxServer(settings: settings, logger: logger) { port.yield($0) }
        let services = ServiceGroup(configuration: .init(services: [server], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { port.finish() }
                try await services.run()
            }
            for await number in ports {
                let directory = try TemporaryDirectory()
                let files = ObjectFiles(
                    directory: directory.path, owner: "/state", newID: "a1", limits: Current(always: limits))
                let downloader = Downloader(
                    files: files, connections: Current(always: UpstreamHTTP.Connections()),
                    access: Current(always: [
                        ProviderAccount(provider: "testing"): UpstreamHTTP.Access(baseURL: "", token: "secret-token")
                    ]),
                    check: AddressCheck { _ in lookUp.compactMap { IPAddress($0) } }, time: ManualTimeSource(),
                    group: MultiThreadedEventLoopGroup.singleton)
                let definition = """
                    provider: testing
                    base_url: http://127.0.0.1:\(number)/v1
                    max_requests_per_second: 1
                    services: {image: {endpoints: {make: {}}}}
                    """
                let catalog = try ProviderCatalog(definitions: [("testing.yaml", definition)])
                let hosts = try #require(catalog.provider("testing")?.hosts)
                let failure: (any Error)?
                do {
                    try await downloader.prepare(ScriptedRecords())
                    try await test(
                        World(port: number, directory: directory, files: files, downloader: downloader, hosts: hosts))
                    failure = nil
                } catch {
                    failure = error
                }
                try await files.shutdown()
                await services.triggerGracefulShutdown()
                if let failure { throw failure }
            }
            try await group.waitForAll()
        }
    }

    @Test func `a file is whole under its digest and its name, and can only be read`() async throws {
        try await with { (world: World) async throws in
            let object = try await world.download(world.request()).get()
            #expect(object.mediaType == "image/png")
            #expect(object.name == "by-task/2026-11-28/flux-images/x-1.png")
            let bytes = try world.bytes(of: object)
            #expect(Int64(bytes.count) == object.size)
            #expect(SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined() == object.sha256)
            #expect(await world.objects == [object.sha256])
            let path = try #require(try world.downloader.file(of: object.sha256))
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o400)
            #expect(world.files.used == object.size)
        }
    }

    @Test func `equal files are one object with two names`() async throws {
        try await with { (world: World) async throws in
            let one = try await world.download(world.request()).get()
            let again = try await world.download(world.request(ordinal: 1)).get()
            #expect(one.sha256 == again.sha256)
            #expect(await world.objects == [one.sha256])
            #expect(world.files.used == one.size)
        }
    }

    @Test(arguments: [UInt64](1...3))
    func `a download that breaks off goes on where it ended`(seed: UInt64) async throws {
        try await with(faults: "result-cut@1,2,3,4") { (world: World) async throws in
            var failures = 0
            var object: Artefact.Object?
            for _ in 1...8 where object == nil {
                switch await world.download(world.request("/files/veo/\(seed).mp4", promised: "video/mp4")) {
                case .success(let whole): object = whole
                case .failure(.later): failures += 1
                case .failure(let other): Issue.record("\(other)")
                }
            }
            #expect(failures == 4)
            let whole = try #require(object)
            let plain = try await world.download(
                world.request("/files/veo/\(seed).mp4", promised: "video/mp4", ordinal: 1)
            ).get()
            #expect(whole.sha256 == plain.sha256)
            #expect(await world.objects == [whole.sha256])
        }
    }

    @Test func `a file that changes between two parts is fetched anew`() async throws {
        try await with(faults: "result-cut@1,result-changed@2") { (world: World) async throws in
            await #expect(throws: ArtefactFailure.self) { try await world.download(world.request()).get() }
            let object = try await world.download(world.request()).get()
            let plain = try await world.download(world.request(ordinal: 1)).get()
            #expect(object.sha256 == plain.sha256)
        }
    }

    @Test(arguments: [
        ("result-short@1", "SHA-256"), ("result-html@1", "text/html"),
    ])
    func `what is not the file is not kept`(fault: String, word: String) async throws {
        try await with(faults: fault) { (world: World) async throws in
            guard case .failure(.unfit(let text)) = await world.download(world.request()) else {
                Issue.record("it was not refused")
                return
            }
            #expect(text.contains(word), "\(text)")
            #expect(await world.objects == [])
            #expect(try await world.download(world.request()).get().mediaType == "image/png")
        }
    }

    @Test func `a page is kept where no medium was promised`() async throws {
        try await with(faults: "result-html@1") { (world: World) async throws in
            #expect(try await world.download(world.request(promised: nil)).get().mediaType == "text/html")
        }
    }

    @Test func `a dead URL and a broken server are told apart`() async throws {
        try await with(faults: "result-403@1,result-502@2") { (world: World) async throws in
            #expect(await world.download(world.request()) == .failure(.expired("The server answered HTTP 403.")))
            #expect(await world.download(world.request()) == .failure(.later("The server answered HTTP 502.")))
            #expect(
                await world.download(world.request("/nothing")) == .failure(.expired("The server answered HTTP 404.")))
        }
    }

    @Test func `a redirect to a private address is not followed`() async throws {
        try await with(faults: "result-redirect@1") { (world: World) async throws in
            guard case .failure(.forbidden(let text)) = await world.download(world.request()) else {
                Issue.record("it was followed")
                return
            }
            #expect(text.contains("127.77.77.77") && text.contains("loopback"), "\(text)")
        }
    }

    @Test(arguments: [
        (["10.0.0.1"], "a private address"), (["1.1.1.1", "127.0.0.1"], "a loopback address"),
    ])
    func `the addresses of a host that is not the provider's are checked`(
        addresses: [String], words: String
    ) async throws {
        try await with(lookUp: addresses) { (world: World) async throws in
            let result = await world.download(world.request("http://files.invalid:\(world.port)/files/a.png"))
            guard case .failure(.forbidden(let text)) = result else {
                Issue.record("\(result)")
                return
            }
            #expect(text.contains(words), "\(text)")
        }
    }

    @Test(arguments: ["ftp://127.0.0.1/a", "http://user@127.0.0.1/a", "file:///etc/passwd"])
    func `other URLs are not fetched`(url: String) async throws {
        try await with { (world: World) async throws in
            guard case .failure(.forbidden) = await world.download(world.request(url)) else {
                Issue.record("\(url) was fetched")
                return
            }
        }
    }

    @Test func `a file beyond the limit and one without room are not fetched`() async throws {
        try await with { (world: World) async throws in
            guard case .failure(.forbidden(let text)) = await world.download(world.request(maxBytes: 100)) else {
                Issue.record("it was fetched")
                return
            }
            #expect(text.contains("max_object"))
            #expect(await world.objects == [])
        }
        try await with(limits: ObjectFiles.Limits(quota: 20_000, keepFree: 1)) { (world: World) async throws in
            _ = try await world.download(world.request()).get()
            guard case .failure(.noRoom(let text, _)) = await world.download(world.request("/files/b.png")) else {
                Issue.record("it was fetched")
                return
            }
            #expect(text.contains("artefacts.quota"))
        }
    }

    @Test func `the start removes unfinished files, and objects without a result and a name`() async throws {
        try await with { (world: World) async throws in
            let kept = try await world.download(world.request()).get()
            // The name of the first one now belongs to the second, as after a file that has changed.
            let named = try await world.download(world.request("/files/b.png", ordinal: 1)).get()
            #expect(Set(await world.objects) == [kept.sha256, named.sha256])
            try Data([1, 2]).write(to: URL(filePath: world.directory.file("objects/.draft-1-1")))
            // Neither has a result, as after the restore of an older database.
            try await world.downloader.prepare(ScriptedRecords(id: "a1", knowsNothing: true))
            #expect(await world.objects == [named.sha256])
            #expect(world.files.used == named.size)
            #expect(try world.bytes(of: named).count == Int(named.size))
        }
    }

    @Test func `the start keeps an object that a result has`() async throws {
        try await with { (world: World) async throws in
            let object = try await world.download(world.request()).get()
            try FileManager.default.removeItem(atPath: world.directory.file(object.name))
            try await world.downloader.prepare(ScriptedRecords(id: "a1"))
            #expect(await world.objects == [object.sha256])
        }
    }

    @Test func `a removed file leaves neither its object nor its name`() async throws {
        try await with { (world: World) async throws in
            let object = try await world.download(world.request()).get()
            // Its result is not stored yet.
            await #expect(throws: ArtefactFailure.self) {
                try await world.downloader.remove(world.artefact, object) { false }
            }
            world.downloader.settle(object)
            try await world.downloader.remove(world.artefact, object) { false }
            #expect(await world.objects == [] && world.files.used == 0)
            #expect(!FileManager.default.fileExists(atPath: world.directory.file(object.name)))
            // A repetition after a crash.
            try await world.downloader.remove(world.artefact, object) { false }
            #expect(world.files.used == 0)
        }
    }

    @Test func `removing one of two results keeps the object that they share`() async throws {
        try await with { (world: World) async throws in
            let object = try await world.download(world.request()).get()
            world.downloader.settle(object)
            try await world.downloader.remove(world.artefact, object) { true }
            #expect(await world.objects == [object.sha256] && world.files.used == object.size)
            #expect(!FileManager.default.fileExists(atPath: world.directory.file(object.name)))
        }
    }

    @Test func `a file that a person has put under the name stays`() async throws {
        try await with { (world: World) async throws in
            let object = try await world.download(world.request()).get()
            world.downloader.settle(object)
            let path = world.directory.file(object.name)
            try FileManager.default.removeItem(atPath: path)
            try Data([7]).write(to: URL(filePath: path))
            try await world.downloader.remove(world.artefact, object) { false }
            #expect(await world.objects == [])
            #expect(try Data(contentsOf: URL(filePath: path)) == Data([7]))
        }
    }

    @Test func `what is missing is said when there is no room`() async throws {
        try await with(limits: ObjectFiles.Limits(quota: 100, keepFree: 1)) { (world: World) async throws in
            guard case .failure(.noRoom(_, let missing)) = await world.download(world.request()) else {
                Issue.record("it was fetched")
                return
            }
            #expect(missing > 0)
            let usage = try await world.downloader.usage()
            #expect(usage.used == 0 && usage.quota == 100)
        }
    }
}
