import Randomness
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

@Suite(.timeLimit(.minutes(5))) struct EventStreamsTests {
    private func open(
        _ world: EngineWorld, _ filter: EventFilter = EventFilter(), from start: EventStreams.Start = .now
    ) async throws -> EventStream {
        try await world.engine.streams.open(filter, from: start, limit: 100)
    }

    /// The places of the lines until the stream has caught up.
    private func untilCaughtUp(_ stream: EventStream) async throws -> [Int64] {
        var places: [Int64] = []
        while let item = try await stream.next() {
            switch item {
            case .lines(let lines): places += lines.map(\.sequence)
            case .caughtUp: return places
            case .reset(let reset): Issue.record("\(reset)")
            case .silence: Issue.record("silence")
            }
        }
        Issue.record("the stream ended")
        return places
    }

    /// The places of the next lines, at least this many.
    private func lines(_ stream: EventStream, _ count: Int) async throws -> [Int64] {
        var places: [Int64] = []
        while places.count < count, let item = try await stream.next() {
            if case .lines(let lines) = item { places += lines.map(\.sequence) }
        }
        return places
    }

    private func reset(_ stream: EventStream) async throws -> EventStream.Reset? {
        if case .reset(let reset)? = try await stream.next() { reset } else { nil }
    }

    private func submit(_ world: EngineWorld, count: Int, labels: [String: String] = [:]) async throws -> [TaskID] {
        var ids: [TaskID] = []
        let submissions = (0..<count).map { _ in
            Submission(endpoint: "image/make", request: JSONObject([("prompt", "a cat")]), labels: labels)
        }
        try await world.service.submit(submissions) { if case .success(let id) = $0 { ids.append(id) } }
        return ids
    }

    @Test func `a cached line takes no more room than it has bytes`() async throws {
        let world = try await EngineWorld()
        let stream = try await open(world, from: .oldest)
        _ = try await world.submit()
        guard case .lines(let lines) = try await stream.next(), let line = lines.first else {
            Issue.record("no line")
            return
        }
        var bytes = [UInt8](repeating: 0x20, count: 1_000)
        bytes.reserveCapacity(8_000)
        line.keep(bytes)
        #expect(line.encoded == bytes)
        #expect(line.encoded?.capacity ?? 0 < 1_100)
    }

    @Test func `a stream that begins now gets each later change after its commit`() async throws {
        let world = try await EngineWorld()
        _ = try await world.submit()
        let stream = try await open(world)
        #expect(try await untilCaughtUp(stream) == [])
        let id = try await world.submit()
        #expect(try await lines(stream, 1) == [2])
        _ = try await world.service.cancel(id)
        guard case .lines(let lines)? = try await stream.next() else {
            Issue.record("something else came")
            return
        }
        #expect(lines.map(\.change.entry.kind) == ["cancelled"])
        #expect(lines.map(\.change.task.state) == [.cancelled])
        #expect(stream.position == 3)
    }

    @Test func `a stream that begins with the oldest line gets all lines, reports that, and continues`() async throws {
        let world = try await EngineWorld()
        _ = try await submit(world, count: 100)
        let stream = try await open(world, from: .oldest)
        #expect(try await untilCaughtUp(stream) == Array(1...100))
        _ = try await submit(world, count: 100)
        #expect(try await lines(stream, 100) == Array(101...200))
    }

    @Test func `a line that was read from the table before it was published comes once`() async throws {
        let world = try await EngineWorld()
        let first = try await open(world, from: .oldest)
        // Written by another connection, so nothing has published it yet.
        let id = try await world.insert(.task(1))
        #expect(try await untilCaughtUp(first) == [1])
        let late = try await open(world, from: .now)
        world.engine.streams.publish(
            CommittedChange(
                task: try await world.task(id),
                event: StoredEvent(
                    sequence: 1, task: id,
                    entry: TaskLogEntry(at: world.time.now(), kind: "created", from: nil, to: .queued))))
        _ = try await world.submit()
        #expect(try await lines(first, 1) == [2])
        #expect(try await lines(late, 1) == [2])
    }

    @Test(arguments: 0..<20)
    func `a client that reconnects many times misses no line and gets none twice`(seed: UInt64) async throws {
        let world = try await EngineWorld(seed: seed + 1)
        var random = SeededRandom(seed: seed)
        var filter = EventFilter()
        if seed.isMultiple(of: 4) { filter.labels = ["of": "me"] }
        if seed % 4 == 1 { filter.endpoints = [try #require(EndpointName("image/make"))] }
        var stream = try await open(world, filter)
        let epoch = stream.epoch
        var place: Int64 = 0
        var received: [Int64] = []
        var expected: [Int64] = []
        var sequence: Int64 = 0
        var told: Int64 = 0
        /// Reads all lines that streams received, or at most `count`.
        func read(atMost count: Int) async throws {
            for _ in 0..<count where received.last ?? 0 < expected.last(where: { $0 <= told }) ?? 0 {
                guard case .lines(let lines)? = try await stream.next() else { continue }
                received += lines.map(\.sequence)
                place = lines.last?.sequence ?? place
            }
        }
        _ = try await untilCaughtUp(stream)
        for _ in 0..<60 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1:
                let isMine = Bool.random(using: &random)
                let count = Int.random(in: 1...90, using: &random)
                _ = try await submit(world, count: count, labels: isMine ? ["of": "me"] : [:])
                if isMine || filter.labels.isEmpty { expected += (1...Int64(count)).map { sequence + $0 } }
                sequence += Int64(count)
                told = sequence
            case 2:
                // No stream receives these lines, as after a commit of unknown outcome.
                sequence += 1
                let task = TrackedTask.task(Int(sequence), labels: ["of": "me"])
                _ = try await world.sqlite.insert(.new(task))
                expected.append(sequence)
            case 3:
                stream = try await open(world, filter, from: .after(epoch: epoch, sequence: place))
            default:
                try await read(atMost: Int.random(in: 1...4, using: &random))
            }
        }
        // This line reaches all streams.
        _ = try await submit(world, count: 1, labels: ["of": "me"])
        sequence += 1
        expected.append(sequence)
        while received.last != sequence, let item = try await stream.next() {
            if case .lines(let lines) = item { received += lines.map(\.sequence) }
        }
        #expect(received == expected)
    }

    @Test func `a reader that falls behind the ring reads the table, and holds few lines`() async throws {
        let world = try await EngineWorld()
        let stream = try await open(world)
        _ = try await untilCaughtUp(stream)
        let count = EventRing.capacity + 500
        for _ in 0..<(count / 500) { _ = try await submit(world, count: 500) }
        _ = try await submit(world, count: count % 500)
        var places: [Int64] = []
        while places.count < count, case .lines(let lines)? = try await stream.next() {
            #expect(lines.count <= StreamReader.linesAtOnce)
            places += lines.map(\.sequence)
        }
        #expect(places == Array(1...Int64(count)))
    }

    @Test func `a commit of unknown outcome reaches waiting streams`() async throws {
        let world = try await EngineWorld()
        let stream = try await open(world)
        _ = try await untilCaughtUp(stream)
        async let places = lines(stream, 1)
        world.store.forgetOutcome { $0.isWrite }
        await #expect(throws: TaskServiceError.self) { try await world.submit() }
        #expect(try await places == [1])
    }

    @Test func `a place of another database, or from before a restore, is a reset to the end of the log`() async throws
    {
        let world = try await EngineWorld()
        _ = try await submit(world, count: 3)
        let epoch = try await open(world).epoch
        let unknown = try await open(world, from: .after(epoch: "abc", sequence: 1))
        #expect(try await reset(unknown) == EventStream.Reset(reason: .unknownEpoch, oldest: 1, newest: 3))
        // It continues with new lines.
        _ = try await submit(world, count: 1)
        #expect(try await lines(unknown, 1) == [4])
        // A place beyond the end of this log comes from the log before the restore.
        let ahead = try await open(world, from: .after(epoch: epoch, sequence: 9))
        #expect(try await reset(ahead) == EventStream.Reset(reason: .restored, oldest: 1, newest: 4))
        try await open(world, from: .after(epoch: epoch, sequence: 4)).expectCaughtUp()
    }

    @Test func `a place before removed lines is a reset, also during a reading`() async throws {
        let world = try await EngineWorld()
        let ids = try await submit(world, count: 200)
        let epoch = try await open(world).epoch
        let before = try await open(world, from: .after(epoch: epoch, sequence: 0))
        #expect(try await lines(before, 32).count == 32)
        _ = try await world.service.cancel(ids[150])
        _ = try await world.engine.retention.delete(ids[150])
        #expect(try await reset(before) == EventStream.Reset(reason: .pruned, oldest: 1, newest: 201))
        let behind = try await open(world, from: .after(epoch: epoch, sequence: 200))
        #expect(try await reset(behind)?.reason == .pruned)
        // A reader from the oldest line gets the existing lines.
        let all = try await open(world, from: .oldest)
        #expect(try await untilCaughtUp(all) == (1...200).filter { $0 != 151 })
    }

    @Test func `the number of open streams is limited, and one that ends makes room`() async throws {
        let world = try await EngineWorld()
        let streams = world.engine.streams
        var first: EventStream? = try await streams.open(EventFilter(), from: .now, limit: 2)
        let second = try await streams.open(EventFilter(), from: .now, limit: 2)
        await #expect(throws: EventStreamRefusal.self) {
            _ = try await streams.open(EventFilter(), from: .now, limit: 2)
        }
        #expect(first?.epoch == second.epoch)
        first = nil
        #expect(streams.count == 1)
        _ = try await streams.open(EventFilter(), from: .now, limit: 2)
    }

    @Test func `when the daemon stops, streams end and none begins`() async throws {
        let world = try await EngineWorld()
        let stream = try await open(world)
        _ = try await untilCaughtUp(stream)
        async let end = stream.next()
        world.engine.streams.close()
        #expect(try await end == nil)
        await #expect(throws: EventStreamRefusal.self) { _ = try await self.open(world) }
    }

    @Test func `a stream ends when its task is cancelled`() async throws {
        let world = try await EngineWorld()
        let stream = try await open(world)
        _ = try await untilCaughtUp(stream)
        let waiting = Task { try await stream.next() == nil }
        waiting.cancel()
        #expect(try await waiting.value)
    }

    @Test func `a stream without lines sends a keep-alive after 15 seconds`() async throws {
        let world = try await EngineWorld()
        var filter = EventFilter()
        filter.tasks = [TrackedTask.task(1).id]
        let stream = try await open(world, filter)
        _ = try await untilCaughtUp(stream)
        stream.beginWrite()
        stream.endWrite()
        _ = try await submit(world, count: 3)
        world.time.advance(by: .seconds(14))
        world.engine.streams.check()
        async let item = stream.next()
        world.time.advance(by: .seconds(1))
        world.engine.streams.check()
        guard case .silence? = try await item else {
            Issue.record("something else came")
            return
        }
        // The client may resume after lines that its filter excludes.
        #expect(stream.position == 3)
    }

    @Test func `a client that reads nothing for 30 seconds is disconnected`() async throws {
        let world = try await EngineWorld()
        let (slow, quick) = (try await open(world), try await open(world))
        let broken = Mutex(0)
        slow.onStall { broken.withLock { $0 += 1 } }
        quick.onStall { Issue.record("the wrong one") }
        slow.beginWrite()
        world.time.advance(by: .seconds(29))
        quick.beginWrite()
        world.engine.streams.check()
        #expect(broken.withLock { $0 } == 0)
        world.time.advance(by: .seconds(1))
        world.engine.streams.check()
        #expect(broken.withLock { $0 } == 1)
        #expect(try await slow.next() == nil)
        quick.endWrite()
        try await quick.expectCaughtUp()
    }

    @Test func `a change wakes only the readers of its task, label or endpoint, and those without a filter`() throws {
        var index = ReaderIndex()
        var filters: [EventFilter] = []
        func add(_ change: (inout EventFilter) -> Void) {
            var filter = EventFilter()
            change(&filter)
            filters.append(filter)
            index.add(filters.count, filter)
        }
        let endpoint = try #require(EndpointName("image/make"))
        add { _ in }
        add { $0.tasks = [TrackedTask.task(1).id, TrackedTask.task(2).id] }
        add { $0.tasks = [TrackedTask.task(3).id] }
        add { $0.labels = ["a": "1", "z": "2"] }
        add { $0.labels = ["a": "2"] }
        add { $0.endpoints = [endpoint] }
        add {
            $0.endpoints = [endpoint]
            $0.labels = ["b": "1"]
        }
        add { $0.states = [.failed] }
        func candidates(_ task: TrackedTask) -> [Int] {
            let entry = TaskLogEntry(at: ManualTimeSource.start, kind: "created", from: nil, to: .queued)
            return index.candidates(
                for: CommittedChange(task: task, event: StoredEvent(sequence: 1, task: task.id, entry: entry))
            ).sorted()
        }
        #expect(candidates(.task(1)) == [1, 2, 6, 8])
        #expect(candidates(.task(9, endpoint: "image/edit", labels: ["a": "1", "b": "1"])) == [1, 4, 7, 8])
        for (place, filter) in filters.enumerated() { index.remove(place + 1, filter) }
        #expect(candidates(.task(1)) == [])
    }
}

extension EventStream {
    /// Checks that the stream only reports that it has caught up.
    fileprivate func expectCaughtUp() async throws {
        guard case .caughtUp? = try await next() else {
            Issue.record("something else came")
            return
        }
    }
}
