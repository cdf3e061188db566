import Foundation
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests what is fetched of results, when, and what becomes of it. No task changes its state by it.
@Suite struct ArtefactFetcherTests {
    private let downloads = ScriptedDownloads()

    private func world(
        on: Bool = true, except: Set<String> = [], from earlier: EngineWorld? = nil,
        time: ManualTimeSource = ManualTimeSource(), accounts: [Account]? = nil
    ) async throws -> EngineWorld {
        let world = try await EngineWorld(
            time: time, accounts: accounts, from: earlier, artefacts: ArtefactSettings(isOn: on, exceptions: except),
            downloads: downloads)
        // The first start begins at the end of the log.
        try await step(world)
        return world
    }

    @discardableResult
    private func step(_ world: EngineWorld) async throws -> Timestamp {
        try await #require(world.engine.fetcher).step()
    }

    /// A record of success with these URLs.
    private static func record(_ urls: [String]) -> JSONValue {
        ["id": "r-1", "response": ["success": true, "data": .array(urls.map { ["image_url": .string($0)] })]]
    }

    /// A task that succeeds with these URLs.
    @discardableResult
    private func succeed(
        _ urls: [String], in world: EngineWorld, number: Int = 1, captured: Bool = true, account: AccountName = .default
    ) async throws -> TaskID {
        var task = TrackedTask.task(number, state: .running, at: world.time.now())
        task.capturesResults = captured
        task.account = account
        task.remoteID = RemoteTaskID("r-\(number)")
        try await world.insert(task)
        var observation = Observation(.succeeded(partial: false), record: Self.record(urls))
        observation.results = urls.enumerated().map { place, url in
            TaskResult(
                kind: .url, pointer: JSONPointer(tokens: ["response", "data", "\(place)", "image_url"]),
                value: .string(url), mediaType: "image/png")
        }
        _ = try await world.sqlite.apply(.observed(observation), to: task.id, at: world.time.now(), nextDueAt: nil)
        return task.id
    }

    private func files(of id: TaskID, in world: EngineWorld) async throws -> [Artefact] {
        try await world.sqlite.artefacts(of: id)
    }

    @Test func `the results of a success are fetched, and the task stays as it is`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png", "https://b.example/2.png"], in: world)
        let before = try await world.task(id)
        try await step(world)
        let files = try await files(of: id, in: world)
        #expect(files.map(\.state) == [.saved, .saved])
        #expect(files.map(\.object) == files.map { ScriptedDownloads.object($0.url) })
        #expect(downloads.requests.map(\.promisedType) == ["image/png", "image/png"])
        let day = ManualTimeSource.start.rfc3339.prefix(10)
        #expect(downloads.requests.map(\.name).sorted() == (1...2).map { "by-task/\(day)/image-make/\(id)-\($0)" })
        #expect(try await world.task(id) == before)
        #expect(try await world.kinds(of: id).suffix(2) == ["result_saved", "result_saved"])
    }

    @Test func `what succeeded before the first start is fetched only on request`() async throws {
        let early = try await EngineWorld()
        let id = try await succeed(["https://a.example/1.png"], in: early)
        let world = try await world(from: early, time: early.time)
        try await step(world)
        #expect(downloads.urls == [])
        let service = try #require(world.engine.artefacts)
        try await service.fetch(try await world.service.task(id))
        try await step(world)
        #expect(try await files(of: id, in: world).map(\.state) == [.saved])
    }

    @Test func `a success that came while the daemon was down is fetched after the start`() async throws {
        let early = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: early)
        let world = try await world(from: early, time: early.time)
        #expect(try await files(of: id, in: world).map(\.state) == [.saved])
    }

    @Test(arguments: [(false, Set<String>()), (true, ["image/make"]), (true, ["testing"])] as [(Bool, Set<String>)])
    func `nothing is fetched where capture is off`(on: Bool, except: Set<String>) async throws {
        let world = try await world(on: on, except: except)
        let id = try await succeed(["https://a.example/1.png"], in: world)
        try await step(world)
        #expect(downloads.urls == [])
        #expect(try await files(of: id, in: world) == [])
        // Long values of records are in the directory without capture, too.
        #expect(downloads.preparations == 1)
    }

    @Test func `content of a record becomes a file without a download`() async throws {
        let files = MemoryRecordFiles()
        let world = try await EngineWorld(
            artefacts: ArtefactSettings(isOn: true), downloads: downloads, files: files)
        try await step(world)
        let bytes = [UInt8](repeating: 7, count: 90_000)
        var task = TrackedTask.task(1, state: .running, at: world.time.now())
        task.remoteID = RemoteTaskID("r-1")
        try await world.insert(task)
        var observation = Observation(
            .succeeded(partial: false), record: ["b64_json": .string(Data(bytes).base64EncodedString())])
        observation.results = [
            TaskResult(kind: .data, pointer: JSONPointer(tokens: ["b64_json"]), value: .null, mediaType: "image/*")
        ]
        _ = try await world.sqlite.apply(.observed(observation), to: task.id, at: world.time.now(), nextDueAt: nil)
        // Its file cannot be read at the moment, which does not stop the reading of the log.
        files.fail()
        try await step(world)
        #expect(downloads.requests.map(\.content) == [RecordPart.digest(of: bytes)] && downloads.urls == [""])
        #expect(try await self.files(of: task.id, in: world).map(\.state) == [.saved])
        #expect(try await world.kinds(of: task.id).last == "result_saved")
    }

    @Test func `while the directory is away nothing is fetched, asked for again or given up`() async throws {
        let world = try await world()
        let saved = try await succeed(["https://a.example/1.png"], in: world)
        try await step(world)
        let id = try await succeed(["https://a.example/2.png?Expires=1900000000"], in: world, number: 2)
        downloads.fail(.storage("The directory is not mounted."))
        let service = try #require(world.engine.artefacts)
        for _ in 1...20 {
            try await step(world)
            await #expect(throws: TaskServiceError.self) {
                try await service.fetch(try await world.service.task(saved))
            }
            world.time.advance(by: .seconds(86_400))
        }
        #expect(try await service.report().problem == "The directory is not mounted.")
        #expect(downloads.urls == ["https://a.example/1.png"])
        #expect(try await files(of: saved, in: world).map(\.state) == [.saved])
        #expect(try await files(of: id, in: world).map(\.attempts) == [0])
        downloads.fail(nil)
        try await step(world)
        #expect(try await files(of: id, in: world).map(\.state) == [.saved])
        #expect(try await service.report().problem == nil)
    }

    @Test func `a download that fails with the directory is no attempt`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .storage("Could not write: Input/output error.") }
        for _ in 1...5 {
            try await step(world)
            world.time.advance(by: .seconds(10 * 86_400))
        }
        let file = try #require(try await files(of: id, in: world).first)
        #expect(file.state == .waiting && file.attempts == 0 && file.error == "Could not write: Input/output error.")
    }

    @Test func `failures are repeated with growing pauses, and what came counts`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .later("The server answered HTTP 502.") }
        try await step(world)
        var pauses: [Double] = []
        for _ in 1...7 {
            let file = try #require(try await files(of: id, in: world).first)
            #expect(file.state == .waiting && file.error == "The server answered HTTP 502.")
            pauses.append((file.nextAt - world.time.now()).inSeconds)
            world.time.advance(by: file.nextAt - world.time.now())
            try await step(world)
        }
        #expect(pauses == [2, 4, 8, 30, 120, 600, 1_800])
        #expect(try await files(of: id, in: world).first?.attempts == 8)
        #expect(try await world.task(id).state == .succeeded)
        downloads.play { ScriptedDownloads.object($0.url) }
        world.time.advance(by: .seconds(1_800))
        try await step(world)
        #expect(try await files(of: id, in: world).first?.state == .saved)
    }

    @Test func `a server that asks for a pause gets it, though not more than an hour`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .later("busy", after: .seconds(90)) }
        try await step(world)
        #expect(try await files(of: id, in: world).first?.nextAt == world.time.now() + .seconds(90))
        downloads.play { _ throws(ArtefactFailure) in throw .later("busy", after: .seconds(86_400)) }
        world.time.advance(by: .seconds(90))
        try await step(world)
        #expect(try await files(of: id, in: world).first?.nextAt == world.time.now() + .seconds(3_600))
    }

    @Test func `a dead URL is replaced by the one that the provider names now`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/old.png"], in: world)
        downloads.play { request throws(ArtefactFailure) in
            guard request.url.hasSuffix("new.png") else { throw .expired("The server answered HTTP 403.") }
            return ScriptedDownloads.object(request.url)
        }
        world.provider.play { _ in
            UpstreamReply(status: 200, body: Self.record(["https://c.example/new.png"]).utf8)
        }
        try await step(world)
        #expect(try await files(of: id, in: world).first?.url == "https://c.example/new.png")
        #expect(world.provider.queries.count == 1 && world.provider.paid.isEmpty)
        world.time.advance(by: .seconds(2))
        try await step(world)
        #expect(try await files(of: id, in: world).first?.state == .saved)
        #expect(try await world.task(id).state == .succeeded)
    }

    @Test func `the account that submitted a task fetches its files and asks for new URLs`() async throws {
        let world = try await world(accounts: [Account("first"), Account("second")])
        let id = try await succeed(["https://a.example/old.png"], in: world, account: "second")
        downloads.play { _ throws(ArtefactFailure) in throw .expired("The server answered HTTP 403.") }
        world.provider.play { _ in
            UpstreamReply(status: 200, body: Self.record(["https://a.example/old.png"]).utf8)
        }
        try await step(world)
        let second = ProviderAccount(provider: "testing", account: "second")
        #expect(downloads.requests.map(\.account) == [second])
        #expect(world.provider.queries.map(\.account) == [second])
        #expect(try await files(of: id, in: world).first?.state == .waiting)
    }

    @Test func `without its account a file waits, and nothing is asked`() async throws {
        let world = try await world(accounts: [Account("first")])
        let id = try await succeed(["https://a.example/old.png"], in: world, account: "gone")
        downloads.play { _ throws(ArtefactFailure) in throw .expired("The server answered HTTP 403.") }
        try await step(world)
        #expect(world.provider.queries.isEmpty)
        #expect(try await files(of: id, in: world).first?.state == .waiting)
    }

    @Test func `a file is gone only when the provider names no other URL several times`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .expired("The server answered HTTP 404.") }
        world.provider.play { _ in
            UpstreamReply(status: 200, body: Self.record(["https://a.example/1.png"]).utf8)
        }
        for _ in 1...9 {
            try await step(world)
            world.time.advance(by: .seconds(1_800))
        }
        let file = try #require(try await files(of: id, in: world).first)
        #expect(file.state == .gone && file.attempts == 6)
        #expect(downloads.forgotten.contains(file.id))
        #expect(try await world.task(id).state == .succeeded)
    }

    @Test func `a provider that cannot be asked makes nothing gone`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .expired("The server answered HTTP 403.") }
        world.provider.play { _ throws(UpstreamTransportError) in throw .notSent("no route") }
        for _ in 1...12 {
            try await step(world)
            world.time.advance(by: .seconds(1_800))
        }
        #expect(try await files(of: id, in: world).first?.state == .waiting)
    }

    @Test func `an outage beyond the end of a URL makes nothing gone`() async throws {
        let world = try await world()
        let expires = world.time.now() + .seconds(600)
        let url = "https://a.example/1.png?Expires=\(expires.milliseconds / 1_000)"
        let id = try await succeed([url], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .later("no route") }
        world.provider.play { _ throws(UpstreamTransportError) in throw .notSent("no route") }
        for _ in 1...12 {
            try await step(world)
            world.time.advance(by: .seconds(1_800))
        }
        #expect(try await files(of: id, in: world).first?.state == .waiting)
        downloads.play { ScriptedDownloads.object($0.url) }
        try await step(world)
        #expect(try await files(of: id, in: world).first?.state == .saved)
    }

    @Test func `a file whose task is deleted during its download does not stay`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { request throws(ArtefactFailure) in
            do { try await world.engine.retention.delete(id) } catch { throw .unfit("\(error)") }
            return ScriptedDownloads.object(request.url)
        }
        try await step(world)
        #expect(downloads.removed.count == 2)
        #expect(downloads.settled.count == 1)
        #expect(downloads.forgotten.map(\.task) == [id])
    }

    @Test func `a file is fetched on request where capture is off`() async throws {
        let world = try await world(on: false)
        let id = try await succeed(["https://a.example/1.png"], in: world)
        try await step(world)
        #expect(downloads.urls == [])
        let service = try #require(world.engine.artefacts)
        try await service.fetch(try await world.service.task(id))
        try await step(world)
        #expect(try await files(of: id, in: world).first?.state == .saved)
    }

    @Test func `a clock that was ahead delays no file`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .later("no route") }
        try await step(world)
        let before = try #require(try await files(of: id, in: world).first)
        try await world.sqlite.moveSchedule(by: .seconds(-31_536_000), at: world.time.now())
        let moved = try #require(try await files(of: id, in: world).first)
        #expect(moved.nextAt == before.nextAt - .seconds(31_536_000))
        try await world.sqlite.moveSchedule(by: .seconds(63_072_000), at: world.time.now())
        let now = world.time.now()
        #expect(try await world.sqlite.bringArtefactsForward(dueAfter: now + .seconds(7_200), to: now) == 1)
        #expect(try await files(of: id, in: world).first?.nextAt == now)
    }

    @Test func `a forbidden URL is refused at once, a wrong file after several tries`() async throws {
        let world = try await world()
        let one = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .forbidden("private") }
        try await step(world)
        #expect(try await files(of: one, in: world).first?.state == .refused)
        let other = try await succeed(["https://b.example/2.png"], in: world, number: 2)
        downloads.play { _ throws(ArtefactFailure) in throw .unfit("The server sent text/html in place of image/png.") }
        for _ in 1...9 {
            try await step(world)
            world.time.advance(by: .seconds(600))
        }
        let file = try #require(try await files(of: other, in: world).first)
        #expect(file.state == .refused && file.attempts == 5)
        // A person may have it tried again.
        downloads.play { ScriptedDownloads.object($0.url) }
        let service = try #require(world.engine.artefacts)
        try await service.fetch(try await world.service.task(other))
        try await step(world)
        #expect(try await files(of: other, in: world).first?.state == .saved)
    }

    @Test func `without room a file waits, and no try is counted`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        downloads.play { _ throws(ArtefactFailure) in throw .noRoom("artefacts.quota") }
        for _ in 1...3 {
            try await step(world)
            world.time.advance(by: .seconds(60))
        }
        let file = try #require(try await files(of: id, in: world).first)
        #expect(file.state == .waiting && file.attempts == 0 && file.error == "artefacts.quota")
        #expect(downloads.urls.count == 3)
        // The log says so once, and the status counts it.
        #expect(try await world.kinds(of: id).count { $0 == "result_waiting" } == 1)
        let service = try #require(world.engine.artefacts)
        #expect(try await service.report().withoutRoom == 1)
    }

    @Test func `files that a client has had make room, and no others`() async throws {
        let world = try await world()
        let service = try #require(world.engine.artefacts)
        let old = try await succeed(["https://a.example/1.png"], in: world)
        let kept = try await succeed(["https://a.example/2.png"], in: world, number: 2)
        try await step(world)
        let object = ScriptedDownloads.object("https://a.example/1.png")
        await service.noteDelivery(of: object.sha256)
        downloads.play { _ throws(ArtefactFailure) in throw .noRoom("artefacts.quota", missing: 7) }
        let new = try await succeed(["https://b.example/3.png"], in: world, number: 3)
        try await step(world)
        #expect(try await files(of: old, in: world).first?.state == .removed)
        #expect(try await files(of: kept, in: world).first?.state == .saved)
        #expect(downloads.removed == [object.name, object.sha256])
        downloads.play { ScriptedDownloads.object($0.url) }
        world.time.advance(by: .seconds(1))
        try await step(world)
        #expect(try await files(of: new, in: world).first?.state == .saved)
        #expect(try await !world.kinds(of: new).contains("result_waiting"))
        #expect(downloads.settled.count == 3)
    }

    @Test func `too little room frees nothing`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        try await step(world)
        let object = ScriptedDownloads.object("https://a.example/1.png")
        let service = try #require(world.engine.artefacts)
        await service.noteDelivery(of: object.sha256)
        downloads.play { _ throws(ArtefactFailure) in throw .noRoom("artefacts.quota", missing: 8) }
        try await succeed(["https://b.example/2.png"], in: world, number: 2)
        try await step(world)
        #expect(try await files(of: id, in: world).first?.state == .saved)
        #expect(downloads.removed == [])
    }

    @Test func `a deleted task takes its files along`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        try await step(world)
        try await world.engine.retention.delete(id)
        _ = try await #require(world.engine.remover).step()
        #expect(try await files(of: id, in: world).first?.state == .removed)
        #expect(downloads.removed.count == 2)
    }

    @Test func `a file that cannot be removed keeps no other one`() async throws {
        let world = try await world()
        let ids = [
            try await succeed(["https://a.example/1.png"], in: world),
            try await succeed(["https://a.example/2.png"], in: world, number: 2),
        ]
        try await step(world)
        for id in ids { try await world.engine.retention.delete(id) }
        downloads.hold(ScriptedDownloads.object("https://a.example/1.png").sha256)
        let remover = try #require(world.engine.remover)
        #expect(try await remover.step() == world.time.now() + .seconds(60))
        #expect(try await files(of: ids[0], in: world).first?.state == .removing)
        #expect(try await files(of: ids[1], in: world).first?.state == .removed)
        downloads.hold(nil)
        _ = try await remover.step()
        #expect(try await files(of: ids[0], in: world).first?.state == .removed)
    }

    @Test func `a saved file whose object is missing at a start is fetched again`() async throws {
        let early = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: early)
        try await step(early)
        downloads.lose(ScriptedDownloads.object("https://a.example/1.png").sha256)
        let world = try await world(from: early, time: early.time)
        #expect(downloads.urls.count == 2)
        #expect(try await files(of: id, in: world).first?.state == .saved)
    }

    @Test func `a task that was submitted without capture is fetched only on request`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world, captured: false)
        try await step(world)
        #expect(downloads.urls == [])
        let service = try #require(world.engine.artefacts)
        try await service.fetch(try await world.service.task(id))
        try await step(world)
        #expect(try await files(of: id, in: world).first?.state == .saved)
    }

    @Test func `what expires first goes first, four at once and two from one host`() async throws {
        let world = try await world()
        let hosts = (1...6).map { "https://a.example/\($0).png?Expires=\(1_900_000_000 - $0)" }
        try await succeed(hosts + ["https://b.example/x.png", "https://c.example/y.png"], in: world)
        let fetcher = try #require(world.engine.fetcher)
        var claimed: [Artefact] = []
        for _ in 1...4 { claimed += await fetcher.claim().0 }
        #expect(claimed.count == 4)
        #expect(claimed.map(\.host).sorted() == ["a.example", "a.example", "b.example", "c.example"])
        #expect(claimed.filter { $0.host == "a.example" }.map(\.url) == [hosts[5], hosts[4]])
    }

    @Test func `a saved file whose object is lost is fetched again on request`() async throws {
        let world = try await world()
        let id = try await succeed(["https://a.example/1.png"], in: world)
        try await step(world)
        let service = try #require(world.engine.artefacts)
        let digest = ScriptedDownloads.object("https://a.example/1.png").sha256
        #expect(try await service.file(digest).object.sha256 == digest)
        try await service.fetch(try await world.service.task(id))
        try await step(world)
        #expect(downloads.urls.count == 1)
        downloads.lose(digest)
        await #expect(throws: TaskServiceError.self) { try await service.file(digest) }
        try await service.fetch(try await world.service.task(id))
        try await step(world)
        #expect(downloads.urls.count == 2)
    }

    @Test func `a task without files has nothing to fetch`() async throws {
        let world = try await world()
        let id = try await world.insert(.task(3, state: .running))
        let service = try #require(world.engine.artefacts)
        let stored = try await world.service.task(id)
        let error = await #expect(throws: TaskServiceError.self) { try await service.fetch(stored) }
        #expect(error?.code == "nothing_to_fetch")
    }

    @Test(arguments: [
        ("https://a.example/x?X-Amz-Date=20261128T150000Z&X-Amz-Expires=3600", "2026-11-28T16:00:00.000Z"),
        ("https://a.example/x?x-goog-date=20261128T150000Z&x-goog-expires=60", "2026-11-28T15:01:00.000Z"),
        ("https://a.example/x?Expires=1795442709&Signature=a", "2026-11-23T14:05:09.000Z"),
        ("https://a.example/x?sv=1&se=2026-11-28T16%3A00%3A00Z", "2026-11-28T16:00:00.000Z"),
        ("https://a.example/x?Expires=soon", nil), ("https://a.example/x", nil),
        ("https://a.example/x?X-Amz-Date=yesterday&X-Amz-Expires=1", nil), ("https://a.example/x?expires=3600", nil),
    ])
    func `a URL tells until when it works`(url: String, time: String?) {
        #expect(ArtefactRules.expiry(of: url, after: ManualTimeSource.start - .seconds(31_536_000))?.rfc3339 == time)
    }
}
