import ProviderCatalog
import Randomness
import RateLimiting
import SQLiteDriver
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import TaskEngine

@Suite(.timeLimit(.minutes(2))) struct AdmissionTests {
    // MARK: Blocks

    /// What blocks a task of `image/make`, by the code that people see.
    private static let obstacles: [String: @Sendable (EngineWorld) async throws -> Void] = [
        "paused": { try await $0.engine.endpoints.pause("image/make") },
        "used_up": { world in
            await world.service.admission.suspend(
                "testing", because: TaskFailure(code: "used_up", message: "No credit is left."))
        },
        "backing_off": { world in
            await world.service.admission.breakers.failed(
                .submissions(try #require(EndpointName("image/make")), .default),
                because: TaskFailure(code: "busy", message: "Too many."), retryAfter: .seconds(60), at: world.time.now()
            )
        },
        "storage_check": { world in
            world.store.find(.beingChecked)
            _ = await world.service.storage.check()
        },
    ]

    @Test(arguments: obstacles.keys.sorted())
    func `a blocked task is not sent, and waiting_for shows the reason`(code: String) async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        let id = try await world.submit()
        let block = try #require(Self.obstacles[code])
        try await block(world)
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.isEmpty)
        #expect(await world.service.forecast(of: try await world.task(id)).waitingFor?.code == code)
    }

    @Test func `a task without a block waits for its turn and is sent`() async throws {
        let world = try await EngineWorld()
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        let id = try await world.submit()
        #expect(await world.service.forecast(of: try await world.task(id)).waitingFor?.code == "turn")
        _ = try await world.engine.submitter.step()
        #expect(try await world.task(id).state == .running)
    }

    @Test func `the endpoint page shows pauses and the circuit breakers of submissions and polls`() async throws {
        let world = try await EngineWorld()
        let failure = TaskFailure(code: "busy", message: "Too many.")
        func block() async throws -> SubmissionBlock? { try await world.engine.endpoints.endpoint("image/make").block }
        #expect(try await block() == nil)
        await world.service.admission.breakers.failed(
            .polls("image"), because: failure, retryAfter: .seconds(60), at: world.time.now())
        #expect(
            try await block()
                == .backingOff(.polls("image"), until: world.time.now() + .seconds(60), because: failure))
        await world.service.admission.suspend("testing", because: failure)
        #expect(try await block() == .paused(.account("testing"), code: "busy", message: "Too many."))
    }

    // MARK: Reads of a claim

    @Test func `a claim reads the counts once, however many services have tasks in flight`() async throws {
        let world = try await EngineWorld()
        for (number, endpoint) in ["image/make", "capped/a", "single/make"].enumerated() {
            try await world.insert(.task(number, state: .submitting, endpoint: endpoint))
            try await world.insert(.task(10 + number, endpoint: endpoint))
        }
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r") }
        let reads = Mutex<[String: Int]>([:])
        world.store.fail { call in
            if case .read(let verb) = call { reads.withLock { $0[verb, default: 0] += 1 } }
            return nil
        }
        let (work, _) = await world.engine.submitter.claim()
        #expect(work.count == 3)
        #expect(reads.withLock { $0 } == ["counts": 1, "queued": 3, "nextQueued": 3])
    }

    // MARK: Places in flight

    private let image = TrackedTask.task(endpoint: "image/make").endpoint
    private let other = TrackedTask.task(endpoint: "image/other").endpoint
    private let video = TrackedTask.task(endpoint: "video/make").endpoint

    @Test func `submitting and running tasks and resubmissions count as in flight`() {
        var random = SeededRandom(seed: 1)
        let task = TaskID(at: ManualTimeSource.start, using: &random)
        var load = TaskLoad(
            [
                TaskCount(endpoint: other, state: .queued, count: 7),
                TaskCount(endpoint: image, state: .queued, count: 1),
                TaskCount(endpoint: video, state: .queued, count: 0),
                TaskCount(endpoint: image, state: .submitting, count: 2),
                TaskCount(endpoint: other, state: .running, count: 3),
                TaskCount(endpoint: video, state: .uncertain, count: 9),
                TaskCount(endpoint: video, state: .succeeded, count: 9),
            ], resubmissions: ["image": task])
        #expect(load.queued == [image, other])
        #expect(load.inFlight(of: "image") == 5 && load.inFlight(of: "video") == 0)
        #expect(load.room(of: "image", upTo: 10) == 4)
        #expect(load.room(upTo: 64) == 61)
        #expect(load.isSending("image") && !load.isSending("video"))
        load.noteSubmission(of: "video")
        load.noteResubmission(of: task, service: "song")
        #expect(load.room(upTo: 64) == 59)
        #expect(load.isSending("video") && load.isSending("song"))
    }

    @Test func `a half-open endpoint gets one request at a time`() async throws {
        let world = try await EngineWorld()
        for _ in 0..<CircuitBreaker.failuresUntilHalfOpen {
            await world.service.admission.breakers.failed(
                .submissions(image, .default), because: TaskFailure(code: "busy", message: "Too many."),
                at: world.time.now())
            world.time.advance(by: .seconds(61))
        }
        for _ in 0..<3 { try await world.submit() }
        world.provider.play { _ async throws(UpstreamTransportError) in .accepted("r-1") }
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 1)
        // The request succeeded, so the circuit is closed.
        _ = try await world.engine.submitter.step()
        #expect(world.provider.paid.count == 3)
    }
}
