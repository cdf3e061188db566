import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests inserts.
extension TaskStoreConformanceTests {
    @Test func `a new task is read unchanged, with its payload`() async throws {
        try await with { (store: TaskStore) async throws in
            var task = TrackedTask.task(
                state: .uncertain, priority: 7, labels: ["a": "1", "ä\"{}": "\n"], notBefore: now,
                deadline: now + .seconds(9),
                onUncertain: .fail)
            task.traceID = "t"
            task.note = "for the night’s run 😀"
            task.progress = 12.5
            task.startedAt = now
            task.finishedAt = now + .seconds(1)
            task.model = "v5"
            task.ageFrom = now - .seconds(3)
            task.lastPendingAt = now - .seconds(2)
            task.waited = .milliseconds(1_500)
            task.progressAt = now - .seconds(1)
            task.slowAt = now
            task.polls = 3
            task.notFoundCount = 2
            task.firstMissAt = now
            task.attempts = 4
            task.attempt = Attempt(
                number: 4, startedAt: now, endedAt: now + .seconds(1), isProbablyRefused: true, absentReadings: 2,
                firstAbsentAt: now)
            task.failure = TaskFailure(code: "c", message: "m", httpStatus: 500, hint: "h")
            let request: JSONValue = try JSONValue(
                parsing: #"{"z":1.0,"seed":12345678901234567890,"a":[{},[],null,"\u0000é"],"n":1e400}"#,
                limits: .lenient)
            #expect(try await store.insert(.new(task, request: request)) == .created)
            let stored = try #require(try await store.taskWithPayload(task.id))
            #expect(stored.task == task)
            #expect(stored.payload.request.text == request.text)
            #expect(stored.payload.response == nil)
            #expect(try await store.task(task.id) == task)
            let events = try await store.events(of: task.id, after: 0, limit: 9)
            #expect(events.map(\.entry.kind) == ["created"])
            #expect(events.first?.entry.from == nil)
            #expect(events.first?.entry.to == .uncertain)
        }
    }

    @Test func `a key belongs to the first task that used it`() async throws {
        try await with { (store: TaskStore) async throws in
            let first = TrackedTask.task(1)
            #expect(try await store.insert(.new(first, key: "k", body: 1)) == .created)
            #expect(
                try await store.insert(.new(.task(2), key: "k", body: 1)) == .keyInUse(by: first.id, sameBody: true))
            #expect(
                try await store.insert(.new(.task(3), key: "k", body: 2)) == .keyInUse(by: first.id, sameBody: false))
            #expect(try await store.insert(.new(.task(4), key: "K", body: 2)) == .created)
            #expect(try await store.task(TrackedTask.task(2).id) == nil)
            #expect(try await store.counts().map(\.count) == [2])
        }
    }

    @Test func `tasks inserted together have the same outcomes as one after another`() async throws {
        try await with { (store: TaskStore) async throws in
            let first = TrackedTask.task(1)
            let late = TrackedTask.task(5, deadline: now)
            let outcomes = try await store.insert([
                .new(first, key: "k", body: 1), .new(.task(2)), .new(.task(3), key: "k", body: 1),
                .new(.task(4), key: "k", body: 2), .new(late), .new(.task(6)),
            ])
            #expect(
                outcomes == [
                    .created, .created, .keyInUse(by: first.id, sameBody: true),
                    .keyInUse(by: first.id, sameBody: false), .tooLate, .created,
                ])
            #expect(try await store.counts().map(\.count) == [3])
            let none: [InsertResult] = try await store.insert([])
            #expect(none.isEmpty)
        }
    }

    @Test func `a remote id belongs to one task within its service`() async throws {
        try await with { (store: TaskStore) async throws in
            let first = TrackedTask.task(1, state: .running, remoteID: "r")
            #expect(try await store.insert(.new(first)) == .created)
            let again = TrackedTask.task(2, state: .running, endpoint: "image/edit", remoteID: "r")
            #expect(try await store.insert(.new(again)) == .remoteIDInUse(by: first.id))
            let elsewhere = TrackedTask.task(3, state: .running, endpoint: "video/make", remoteID: "r")
            #expect(try await store.insert(.new(elsewhere)) == .created)
            let elsewhereAgain = TrackedTask.task(4, state: .running, endpoint: "video/make", remoteID: "r")
            #expect(try await store.insert(.new(elsewhereAgain)) == .remoteIDInUse(by: elsewhere.id))
        }
    }
}
