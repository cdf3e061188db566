import TaskModel
import TaskStore
import TaskTesting
import Testing

/// Tests in any store that equal submissions of an agent join.
extension TaskStoreConformanceTests {
    private func submission(_ number: Int, content: UInt8 = 1, key: String? = nil, at time: Timestamp? = nil) -> NewTask
    {
        var task = NewTask.new(.task(number, at: time ?? now), key: key)
        task.contentKey = [UInt8](repeating: content, count: 32)
        return task
    }

    private func id(_ number: Int, at time: Timestamp? = nil) -> TaskID { TrackedTask.task(number, at: time ?? now).id }

    private func cancel(_ id: TaskID, in store: TaskStore) async throws {
        _ = try await store.apply([ScheduledEvent(.cancelRequested, for: id, nextDueAt: nil)], at: now)
    }

    @Test func `an equal submission joins an open task, however old, and the log says so`() async throws {
        try await with { (store: TaskStore) async throws in
            #expect(try await store.insert(submission(1)) == .created)
            #expect(try await store.insert(submission(2)) == .joined(id(1)))
            #expect(try await store.insert(submission(3, at: now + .seconds(10_000_000))) == .joined(id(1)))
            #expect(try await store.insert(submission(4, content: 2)) == .created)
            #expect(try await store.insert(.new(.task(5))) == .created)
            #expect(
                try await store.events(of: id(1), after: 0, limit: 9).map(\.entry.kind) == [
                    "created", "joined", "joined",
                ])
            #expect(try await store.task(id(2)) == nil)
        }
    }

    @Test func `an ended task is joined for ten minutes, unless its end was collected`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(submission(1))
            // An open task has no end to collect.
            try await store.collect(id(1))
            try await cancel(id(1), in: store)
            #expect(try await store.insert(submission(2, at: now + .seconds(600))) == .joined(id(1)))
            let later = now + .milliseconds(600_001)
            #expect(try await store.insert(submission(3, at: later)) == .created)
            #expect(try await store.insert(submission(4)) == .joined(id(3, at: later)))
            try await cancel(id(3, at: later), in: store)
            try await store.collect(id(3, at: later))
            #expect(try await store.insert(submission(5)) == .created)
        }
    }

    @Test func `a second end of a reopened task is not collected with the first`() async throws {
        try await with { (store: TaskStore) async throws in
            var running = NewTask.new(.task(1, state: .running, remoteID: "r1"))
            running.contentKey = [UInt8](repeating: 1, count: 32)
            _ = try await store.insert(running)
            try await cancel(id(1), in: store)
            try await store.collect(id(1))
            _ = try await store.apply([ScheduledEvent(.reopenRequested, for: id(1), nextDueAt: now)], at: now)
            #expect(try await store.insert(submission(2)) == .joined(id(1)))
            let later = now + .seconds(5)
            _ = try await store.apply([ScheduledEvent(.cancelRequested, for: id(1), nextDueAt: nil)], at: later)
            #expect(try await store.insert(submission(3, at: later)) == .joined(id(1)))
        }
    }

    @Test func `a key goes before an equal submission, and its task is joined too`() async throws {
        try await with { (store: TaskStore) async throws in
            #expect(try await store.insert(submission(1)) == .created)
            #expect(try await store.insert(submission(2, key: "k")) == .created)
            #expect(try await store.insert(submission(3, key: "k")) == .keyInUse(by: id(2), sameBody: true))
            #expect(try await store.insert(submission(4)) == .joined(id(2)))
            #expect(try await store.events(of: id(1), after: 0, limit: 9).map(\.entry.kind) == ["created"])
        }
    }

    @Test func `equal submissions of one transaction join, too`() async throws {
        try await with { (store: TaskStore) async throws in
            let results = try await store.insert([
                submission(1), .new(.task(2)), submission(3), submission(4, content: 2),
            ])
            #expect(results == [.created, .created, .joined(id(1)), .created])
        }
    }
}
