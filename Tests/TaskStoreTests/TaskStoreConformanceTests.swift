import Randomness
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// What every store must do. A second driver adds one line to `with(_:)`.
@Suite struct TaskStoreConformanceTests {
    let now = ManualTimeSource.start

    func with(_ body: (TaskStore) async throws -> Void) async throws {
        try await withDriver { driver in try await body(TaskStore(driver)) }
    }

    func withDriver(_ body: (any StoreDriver) async throws -> Void) async throws {
        try await PlanCheck.with { driver in try await body(driver) }
    }

    private func endpoint(_ text: String) throws -> EndpointName { try #require(EndpointName(text)) }
    private func remote(_ text: String) throws -> RemoteTaskID { try #require(RemoteTaskID(text)) }

    @Test func `the due time follows from the task as the event leaves it, and the lifecycle runs once`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(state: .running)
            _ = try await store.insert(.new(task))
            let pending = Observation(.pending, record: [:], progress: 40)
            let events = [
                ScheduledEvent(
                    .observed(pending), for: task.id,
                    consequence: { $0.polls == 1 && $0.progress == 40 ? .slowerThanUsual : nil },
                    schedule: { [now] in now + .seconds(Int64($0.polls * 7) + Int64($0.progress ?? 0)) })
            ]
            let changes = try await store.apply(events, at: now)
            #expect(changes.map(\.task.nextDueAt) == [now + .seconds(47), now + .seconds(47)])
            let stored = try await store.task(task.id)
            #expect(stored?.nextDueAt == now + .seconds(47))
            #expect(stored?.slowAt == now)
            #expect(
                try await store.events(of: task.id, after: 0, limit: 9).map(\.entry.kind)
                    == ["tracked", "slower_than_usual"])
        }
    }

    @Test func `two events of one batch that claim one remote id are told apart`() async throws {
        try await with { (store: TaskStore) async throws in
            let (one, other) = (TrackedTask.task(1, state: .uncertain), TrackedTask.task(2, state: .uncertain))
            _ = try await store.insert([.new(one), .new(other)])
            let id = try remote("r")
            await #expect(throws: TaskStoreError.remoteIDInUse(by: one.id)) {
                _ = try await store.apply(
                    [one, other].map { ScheduledEvent(.adopted(id), for: $0.id, nextDueAt: now) }, at: now)
            }
            #expect(try await store.task(one.id)?.state == .uncertain)
        }
    }

    @Test func `callback tokens are in nothing that is stored`() async throws {
        try await with { (store: TaskStore) async throws in
            let token = String(repeating: "aB3_-", count: 9).prefix(43)
            let url = "https://pollux.example/callbacks/\(token)"
            let tasks = (1...3).map { TrackedTask.task($0, state: $0 == 2 ? .submitting : .running) }
            for task in tasks { _ = try await store.insert(.new(task)) }
            let failure = TaskFailure(code: "bad", message: "no such address: \(url)")
            _ = try await store.apply(
                [
                    ScheduledEvent(
                        .observed(Observation(.pending, record: ["echo": .string(url)])), for: tasks[0].id,
                        nextDueAt: now),
                    ScheduledEvent(.submissionRefused(failure), for: tasks[1].id, nextDueAt: nil),
                    ScheduledEvent(
                        .calledBack(
                            CallbackDelivery(
                                attempt: 1,
                                observation: Observation(.succeeded(partial: false), record: ["echo": .string(url)]))),
                        for: tasks[2].id, nextDueAt: now),
                ], at: now)
            let record = try await store.taskWithPayload(tasks[0].id)?.payload.response
            #expect(record == ["echo": "https://pollux.example/callbacks/(token)"])
            #expect(try await store.task(tasks[1].id)?.failure?.message.contains(token) == false)
            #expect(
                try await store.deliveredOutcome(of: tasks[2].id)
                    == ["echo": "https://pollux.example/callbacks/(token)"])
            for event in try await store.log.read(after: 0, limit: 99) {
                guard case .task(let event) = event else { continue }
                #expect(!JSONValue.object(event.entry.detail).text.contains(token))
            }
        }
    }

    @Test func `an older state of a gate does not overwrite a newer one`() async throws {
        try await with { (store: TaskStore) async throws in
            var gate = CircuitState(kind: .polls, name: "image")
            gate.revision = 2
            gate.failures = 2
            try await store.save(gate)
            gate.revision = 1
            gate.failures = 1
            try await store.save(gate)
            #expect(try await store.circuits().map(\.failures) == [2])
            gate.revision = 3
            try await store.save(gate)
            #expect(try await store.circuits().map(\.failures) == [1])
        }
    }

    // MARK: Inserting

    @Test func `a new task comes back as it was, payload and all`() async throws {
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

    @Test func `a key names the first task that came with it, for ever`() async throws {
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

    @Test func `many are stored as if they came one after another`() async throws {
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
            let none = try await store.insert([])
            #expect(none.isEmpty)
        }
    }

    @Test func `a remote id is one task's within its service`() async throws {
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

    // MARK: Events

    @Test func `an event changes row, record and log together`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            let observation = Observation(.succeeded(partial: true), record: ["id": "x", "n": 1], progress: 50)
            let change = try await store.apply(
                .observed(observation), to: task.id, at: now + .seconds(5), nextDueAt: nil)
            #expect(change?.transition == .advance(to: .succeeded))
            let stored = try #require(try await store.taskWithPayload(task.id))
            #expect(stored.task == change?.task)
            #expect(stored.task.endedAt == now + .seconds(5))
            #expect(stored.payload.response == ["id": "x", "n": 1])
            #expect(
                try await store.events(of: task.id, after: 0, limit: 9).map(\.entry.kind) == ["tracked", "observed"])
        }
    }

    @Test func `the record that is kept is the latest, though it be one from before`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            for number: JSONValue in [1, 1, 2, 2, 1] {
                let record: JSONValue = ["id": "x", "n": number]
                _ = try await store.apply(
                    .observed(Observation(.pending, record: record)), to: task.id, at: now, nextDueAt: now)
                #expect(try await store.taskWithPayload(task.id)?.payload.response == record)
            }
            #expect(try await store.task(task.id)?.polls == 5)
        }
    }

    @Test func `what the state does not allow changes nothing`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let refused = try await store.apply(.adopted(try remote("r")), to: task.id, at: now, nextDueAt: now)
            #expect(refused?.transition == .refuse(.notUncertain))
            let ignored = try await store.apply(.remoteTaskGone, to: task.id, at: now, nextDueAt: now)
            #expect(ignored?.transition == .ignore)
            #expect(try await store.task(task.id) == task)
            #expect(try await store.events(of: task.id, after: 0, limit: 9).count == 1)
        }
    }

    @Test func `of two writers that start from one state only the first wins`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let transitions = try await withThrowingTaskGroup(of: Transition?.self) { group in
                for _ in 0..<20 {
                    group.addTask { [now] in
                        try await store.apply(
                            .submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)?.transition
                    }
                }
                return try await group.reduce(into: [Transition]()) { if let one = $1 { $0.append(one) } }
            }
            #expect(transitions.filter { $0 == .advance(to: .submitting) }.count == 1)
            #expect(transitions.filter { $0 == .ignore }.count == 19)
            #expect(try await store.task(task.id)?.attempts == 1)
        }
    }

    @Test func `an unknown id finds no task`() async throws {
        try await with { (store: TaskStore) async throws in
            let id = TrackedTask.task(1).id
            #expect(try await store.apply(.missed, to: id, at: now, nextDueAt: now) == nil)
            #expect(try await store.task(id) == nil)
            #expect(try await store.taskWithPayload(id) == nil)
            #expect(try await store.events(of: id, after: 0, limit: 9).isEmpty)
            try await store.postpone([id], until: now)
        }
    }

    @Test func `a batch is applied in order, without those that do not exist`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            let changes = try await store.apply(
                [
                    ScheduledEvent(.submissionStarted(), for: task.id, under: .testing, nextDueAt: now),
                    ScheduledEvent(.missed, for: TrackedTask.task(2).id, nextDueAt: now),
                    ScheduledEvent(.submissionAccepted(try remote("r"), traceID: nil), for: task.id, nextDueAt: now),
                ], at: now)
            #expect(changes.map(\.task.state) == [.submitting, .running])
            #expect(try await store.apply([], at: now).isEmpty)
        }
    }

    @Test func `a batch with one impossible event changes nothing at all`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(.new(.task(1, state: .running, remoteID: "r")))
            let free = TrackedTask.task(2)
            let lost = TrackedTask.task(3, state: .uncertain)
            for task in [free, lost] { _ = try await store.insert(.new(task)) }
            await #expect(throws: TaskStoreError.remoteIDInUse(by: TrackedTask.task(1).id)) {
                _ = try await store.apply(
                    [
                        ScheduledEvent(.submissionStarted(), for: free.id, under: .testing, nextDueAt: now),
                        ScheduledEvent(.adopted(try remote("r")), for: lost.id, nextDueAt: now),
                    ], at: now)
            }
            #expect(try await store.task(free.id) == free)
            #expect(try await store.task(lost.id) == lost)
        }
    }

    @Test func `a remote id that a provider answers is kept even if it is another task's`() async throws {
        try await with { (store: TaskStore) async throws in
            _ = try await store.insert(.new(.task(1, state: .running, remoteID: "r")))
            let task = TrackedTask.task(2, state: .submitting)
            _ = try await store.insert(.new(task))
            let change = try await store.apply(
                .submissionAccepted(try remote("r"), traceID: nil), to: task.id, at: now, nextDueAt: now)
            #expect(change?.task.state == .running)
            #expect(try await store.task(task.id)?.remoteID?.text == "r")
        }
    }

    @Test func `log lines are read in pages, oldest first`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1)
            _ = try await store.insert(.new(task))
            _ = try await store.insert(.new(.task(2)))
            for _ in 0..<3 {
                _ = try await store.apply(.submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)
                _ = try await store.apply(
                    .submissionNotAccepted(TaskFailure(code: "busy", message: "Later.")), to: task.id, at: now,
                    nextDueAt: now)
            }
            var kinds: [String] = []
            var after: Int64 = 0
            while true {
                let page = try await store.events(of: task.id, after: after, limit: 2)
                guard let last = page.last else { break }
                #expect(page.allSatisfy { $0.sequence > after && $0.task == task.id })
                kinds += page.map(\.entry.kind)
                after = last.sequence
            }
            #expect(
                kinds == ["created"]
                    + Array(repeating: ["submission_started", "submission_not_accepted"], count: 3).joined())
        }
    }

    // MARK: Settling

    @Test func `settling shows one service's uncertain and sending tasks, and who owns what`() async throws {
        try await with { (store: TaskStore) async throws in
            let lost = TrackedTask.task(1, state: .uncertain)
            let sending = TrackedTask.task(2, state: .submitting)
            for task in [
                lost, sending, .task(3, state: .uncertain, endpoint: "video/make"),
                .task(4, state: .running, remoteID: "r-own"),
                .task(5, state: .running, endpoint: "video/make", remoteID: "r-free"),
            ] { _ = try await store.insert(.new(task)) }
            let (owned, free) = (try remote("r-own"), try remote("r-free"))
            let now = now
            let changes = try await store.settle(
                service: "image", attemptedIn: now - .seconds(60)...now + .seconds(60), candidates: [owned, free],
                at: now
            ) { view in
                #expect(view.uncertain.map(\.task) == [lost])
                #expect(view.uncertain.first?.payload.request == ["prompt": "a cat"])
                #expect(view.submitting.map(\.task) == [sending])
                #expect(view.owned == [owned])
                return [ScheduledEvent(.foundInList(free, traceID: nil), for: lost.id, nextDueAt: now)]
            }
            #expect(changes.map(\.task.state) == [.running])
            #expect(try await store.task(lost.id)?.remoteID == free)
        }
    }

    @Test func `a found id that is another task's is refused, with everything beside it`() async throws {
        try await with { (store: TaskStore) async throws in
            let owner = TrackedTask.task(1, state: .running, remoteID: "r")
            let lost = TrackedTask.task(2, state: .uncertain)
            for task in [owner, lost] { _ = try await store.insert(.new(task)) }
            let (id, now) = (try remote("r"), now)
            await #expect(throws: TaskStoreError.remoteIDInUse(by: owner.id)) {
                _ = try await store.settle(
                    service: "image", attemptedIn: now - .seconds(60)...now, candidates: [id], at: now
                ) { _ in
                    [ScheduledEvent(.foundInList(id, traceID: nil), for: lost.id, nextDueAt: now)]
                }
            }
            #expect(try await store.task(lost.id) == lost)
        }
    }

    // MARK: What is due

    @Test func `the queue goes by priority, then age, and leaves out who may not go yet`() async throws {
        try await with { (store: TaskStore) async throws in
            let tasks = [
                TrackedTask.task(1), .task(2, priority: 5), .task(3), .task(4, priority: 5), .task(5, priority: -1),
                .task(6, priority: 9, notBefore: now + .seconds(10)), .task(7, endpoint: "image/edit"),
                .task(8, priority: 9, deadline: now),
            ]
            for task in tasks { _ = try await store.insert(.new(task)) }
            let make = try endpoint("image/make")
            let order = [2, 4, 1, 3, 5].map { TrackedTask.task($0).id }
            #expect(try await store.queued(on: make, at: now, limit: 99).map(\.id) == order)
            #expect(try await store.queued(on: make, at: now, limit: 2).map(\.id) == Array(order.prefix(2)))
            #expect(try await store.queued(on: make, at: now, limit: 0).isEmpty)
            #expect(try await store.nextQueued(on: make, after: now) == now + .seconds(10))
            #expect(try await store.queued(on: make, at: now + .seconds(10), limit: 1).map(\.priority) == [9])
        }
    }

    @Test func `a long queue keeps its order, though most of it waits for a time to come`() async throws {
        try await with { (store: TaskStore) async throws in
            let make = try endpoint("image/make")
            for number in 0..<300 { _ = try await store.insert(.new(.task(number, priority: number % 3))) }
            for number in 300..<600 {
                _ = try await store.insert(.new(.task(number, priority: 5, notBefore: now + .seconds(60))))
            }
            let order = [2, 1, 0].flatMap { rest in (0..<300).filter { $0 % 3 == rest } }.map {
                TrackedTask.task($0).id
            }
            #expect(try await store.queued(on: make, at: now, limit: 999).map(\.id) == order)
            #expect(try await store.queued(on: make, at: now, limit: 5).map(\.id) == Array(order.prefix(5)))
        }
    }

    @Test func `the due tasks do not contain those that the caller excludes`() async throws {
        try await with { (store: TaskStore) async throws in
            // Two at each time, so that there are ties.
            let tasks = (0..<12).map { TrackedTask.task($0, state: .running, at: now + .seconds($0 / 2)) }
            for task in tasks { _ = try await store.insert(.new(task)) }
            _ = try await store.insert(.new(.task(20, state: .running, endpoint: "video/make", at: now)))
            func due(_ excluding: Set<TaskID>, limit: Int = 99) async throws(TaskStoreError) -> [TrackedTask] {
                try await store.due(
                    in: .running, of: "image", by: now + .seconds(4), excluding: excluding, limit: limit)
            }
            let all = try await due([])
            #expect(all.count == 10)
            let absent = TrackedTask.task(99).id
            for leftOut in [all[0..<3], all[4..<7], all[8..<10], all[0..<10], [all[0], all[5], all[9]]] {
                let excluding = Set(leftOut.map(\.id)).union([absent, tasks[11].id])
                let others = all.filter { !excluding.contains($0.id) }
                #expect(try await due(excluding) == others)
                for limit in [0, 1, 4] {
                    #expect(try await due(excluding, limit: limit) == Array(others.prefix(limit)))
                }
            }
            #expect(try await due([absent]) == all)
        }
    }

    @Test func `due tasks come most overdue first, of one service and state only`() async throws {
        try await with { (store: TaskStore) async throws in
            for (number, seconds) in [3, 1, 2, 9].enumerated() {
                _ = try await store.insert(.new(.task(number, state: .running, at: now + .seconds(seconds))))
            }
            _ = try await store.insert(.new(.task(10, state: .running, endpoint: "video/make", at: now)))
            _ = try await store.insert(.new(.task(11, state: .uncertain, at: now)))
            _ = try await store.insert(.new(.task(12, state: .succeeded, at: now)))
            let due = try await store.due(in: .running, of: "image", by: now + .seconds(3), limit: 9)
            #expect(due.map(\.createdAt) == [1, 2, 3].map { now + .seconds($0) })
            #expect(try await store.due(in: .running, of: "image", by: now + .seconds(3), limit: 1).count == 1)
            #expect(try await store.nextDue(in: .running, of: "image") == now + .seconds(1))
            #expect(try await store.nextDue(in: .running, of: "none") == nil)
            #expect(try await store.services(in: .running) == ["image", "video"])
            #expect(try await store.services(in: .uncertain) == ["image"])
            #expect(try await store.services(in: .submitting).isEmpty)
        }
    }

    @Test func `a task is put off while it is open, and only then`() async throws {
        try await with { (store: TaskStore) async throws in
            let open = TrackedTask.task(1, state: .running)
            let ended = TrackedTask.task(2, state: .succeeded)
            for task in [open, ended] { _ = try await store.insert(.new(task)) }
            try await store.postpone([open.id, ended.id], until: now + .seconds(60))
            #expect(try await store.task(open.id)?.nextDueAt == now + .seconds(60))
            #expect(try await store.task(ended.id) == ended)
            #expect(try await store.events(of: open.id, after: 0, limit: 9).count == 1)
        }
    }

    @Test func `overdue are queued and running tasks whose deadline has passed`() async throws {
        try await with { (store: TaskStore) async throws in
            let deadline = now + .seconds(10)
            for (number, state) in TaskState.allCases.enumerated() {
                _ = try await store.insert(.new(.task(number, state: state, deadline: deadline)))
            }
            _ = try await store.insert(.new(.task(90, deadline: deadline + .seconds(1))))
            _ = try await store.insert(.new(.task(91)))
            #expect(try await store.overdue(at: deadline - .milliseconds(1), limit: 9).isEmpty)
            #expect(Set(try await store.overdue(at: deadline, limit: 9).map(\.state)) == [.queued, .running])
            #expect(try await store.nextDeadline() == deadline)
        }
    }

    // MARK: Lists

    @Test func `pages show every task once, newest first, while new ones arrive`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 0..<25 { _ = try await store.insert(.new(.task(number))) }
            var seen: [TaskID] = []
            var cursor: PageCursor?
            var number = 100
            repeat {
                let page = try await store.tasks(matching: TaskFilter(), after: cursor, limit: 4)
                seen += page.tasks.map(\.task.id)
                _ = try await store.insert(.new(.task(number)))
                number += 1
                cursor = page.next.flatMap { PageCursor(text: $0.text) }
            } while cursor != nil
            #expect(seen == (0..<25).reversed().map { TrackedTask.task($0).id })
        }
    }

    @Test func `the last page has no cursor`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 0..<4 { _ = try await store.insert(.new(.task(number))) }
            #expect(try await store.tasks(matching: TaskFilter(), after: nil, limit: 4).next == nil)
            #expect(try await store.tasks(matching: TaskFilter(), after: nil, limit: 3).next != nil)
        }
    }

    @Test func `a page of large records ends early, and the next goes on`() async throws {
        try await with { (store: TaskStore) async throws in
            let picture = JSONValue.object(JSONObject([("data", .string(String(repeating: "A", count: 5 << 20)))]))
            for number in 0..<8 { _ = try await store.insert(.new(.task(number), response: picture)) }
            var sizes: [Int] = []
            var cursor: PageCursor?
            repeat {
                let page = try await store.tasks(matching: TaskFilter(), after: cursor, limit: 500)
                sizes.append(page.tasks.count)
                cursor = page.next
            } while cursor != nil
            #expect(sizes == [4, 4, 0] || sizes == [4, 4])
        }
    }

    @Test func `every filter restricts, together they restrict more`() async throws {
        try await with { (store: TaskStore) async throws in
            let tasks: [TrackedTask] = [
                .task(1, labels: ["team": "a", "job": "x"]), .task(2, labels: ["team": "b"]),
                .task(3, state: .running, labels: ["team": "a"]),
                .task(4, state: .failed, endpoint: "video/make", at: now + .seconds(5), labels: ["job": "x"]),
            ]
            for task in tasks { _ = try await store.insert(.new(task)) }
            func numbers(_ change: (inout TaskFilter) -> Void) async throws -> [Int] {
                var filter = TaskFilter()
                change(&filter)
                let found = try await store.tasks(matching: filter, after: nil, limit: 99).tasks.map(\.task.id)
                return tasks.indices.filter { found.contains(tasks[$0].id) }.map { $0 + 1 }
            }
            let video = try endpoint("video/make")
            #expect(try await numbers { $0.states = [.queued] } == [1, 2])
            #expect(try await numbers { $0.states = [.running, .failed] } == [3, 4])
            #expect(try await numbers { $0.endpoints = [video] } == [4])
            #expect(try await numbers { $0.labels = ["team": "a"] } == [1, 3])
            #expect(try await numbers { $0.labels = ["team": "a", "job": "x"] } == [1])
            #expect(try await numbers { $0.labels = ["team": "x"] } == [])
            #expect(try await numbers { $0.createdAfter = now } == [4])
            #expect(try await numbers { $0.createdBefore = now + .seconds(5) } == [1, 2, 3])
            #expect(
                try await numbers {
                    $0.states = [.queued]; $0.labels = ["team": "a"]
                } == [1])
            #expect(try await numbers { _ in } == [1, 2, 3, 4])
        }
    }

    @Test func `a beginning of an id finds those that begin so`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 0..<5 { _ = try await store.insert(.new(.task(number))) }
            let id = TrackedTask.task(3).id
            #expect(try await store.ids(withPrefix: id.text, limit: 9) == [id])
            #expect(try await store.ids(withPrefix: String(id.text.prefix(30)).uppercased(), limit: 9) == [id])
            #expect(try await store.ids(withPrefix: String(id.text.prefix(8)), limit: 9).count == 5)
            #expect(try await store.ids(withPrefix: String(id.text.prefix(8)), limit: 2).count == 2)
            #expect(try await store.ids(withPrefix: "ffffffff", limit: 9).isEmpty)
        }
    }

    @Test func `counts are those of each endpoint`() async throws {
        try await with { (store: TaskStore) async throws in
            for number in 1...5 {
                let task = TrackedTask.task(number, state: .running)
                _ = try await store.insert(.new(task))
                let observation = Observation(.succeeded(partial: false), record: [:])
                _ = try await store.apply(
                    .observed(observation), to: task.id, at: now + .seconds(number), nextDueAt: nil)
            }
            _ = try await store.insert(.new(.task(6, state: .failed)))
            let counts = Dictionary(uniqueKeysWithValues: try await store.counts().map { ($0.state, $0.count) })
            #expect(counts == [.succeeded: 5, .failed: 1])
        }
    }

    // MARK: What is learned

    @Test func `a lesson is learned with the change that teaches it, and comes back as it was`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            let key = StatisticsKey(task.endpoint)
            let own = StatisticsKey(task.endpoint, model: "v5")
            let done = ScheduledEvent(
                .observed(Observation(.succeeded(partial: false), record: [:])), for: task.id, nextDueAt: nil)
            let updates = [key, own].map { key in
                StatisticsUpdate(about: key) { row, changes in
                    row.durations = "as the policy writes it"
                    row.wait = .milliseconds(1_250)
                    row.startsTold = 0.5
                    row.finished += changes.count { $0.transition == .advance(to: .succeeded) }
                    row.calls += 0.25
                    row.lateness += .milliseconds(750)
                    row.latenessSamples += 1
                    row.throttled += 2
                }
            }
            _ = try await store.apply([done], at: now, updating: updates)
            _ = try await store.apply([done], at: now, updating: updates)
            _ = try await store.apply([], at: now, updating: [updates[1]])
            let rows = try await store.statistics(of: task.endpoint)
            var expected = StatisticsRow(key: key)
            expected.durations = "as the policy writes it"
            expected.wait = .milliseconds(1_250)
            expected.startsTold = 0.5
            // The second time there was nothing left to end.
            expected.finished = 1
            expected.calls = 0.5
            expected.lateness = .milliseconds(1_500)
            expected.latenessSamples = 2
            expected.throttled = 4
            #expect(rows.first == expected)
            #expect(rows.map(\.key) == [key, own])
            #expect(rows.last?.calls == 0.75)
            #expect(try await store.statistics(of: try endpoint("image/edit")).isEmpty)
        }
    }

    @Test func `a clock that was set moves the schedule of what is under way, and nothing that people wished`()
        async throws
    {
        try await with { (store: TaskStore) async throws in
            var running = TrackedTask.task(1, state: .running, deadline: now + .seconds(9_000))
            running.ageFrom = now
            running.lastPendingAt = now + .seconds(3)
            running.progressAt = now + .seconds(2)
            let queued = TrackedTask.task(2, notBefore: now + .seconds(70))
            let ready = TrackedTask.task(4)
            running.notFoundCount = 1
            running.firstMissAt = now + .seconds(1)
            let uncertain = TrackedTask.task(3, state: .uncertain)
            for task in [running, queued, uncertain, ready] { _ = try await store.insert(.new(task)) }
            try await store.moveSchedule(by: .seconds(-3_600), at: now)
            var moved = running
            moved.nextDueAt = running.nextDueAt.map { $0 - .seconds(3_600) }
            moved.ageFrom = now - .seconds(3_600)
            moved.lastPendingAt = now - .seconds(3_597)
            moved.progressAt = now - .seconds(3_598)
            moved.firstMissAt = now - .seconds(3_599)
            #expect(try await store.task(running.id) == moved)
            #expect(try await store.task(queued.id) == queued)
            #expect(try await store.task(ready.id)?.nextDueAt == ready.nextDueAt.map { $0 - .seconds(3_600) })
            let doubted = try await store.task(uncertain.id)
            #expect(doubted?.nextDueAt == uncertain.nextDueAt.map { $0 - .seconds(3_600) })
            // When it was sent is told by the clock of that time, and how far from it the clock of today is, beside it.
            #expect(doubted?.attempt?.startedAt == uncertain.attempt?.startedAt)
            #expect(doubted?.attempt?.clock == ClockDrift(sum: .seconds(-3_600)))
        }
    }

    @Test(arguments: [TaskState.submitting, .uncertain])
    func `jumps of the clock are added up, and begin a measurement anew only beyond the tolerance`(
        state: TaskState
    ) async throws {
        try await with { (store: TaskStore) async throws in
            var task = TrackedTask.task(1, state: state)
            task.attempt?.absentReadings = 2
            task.attempt?.firstAbsentAt = now
            _ = try await store.insert(.new(task))
            let ended = TrackedTask.task(2, state: .succeeded)
            _ = try await store.insert(.new(ended))
            func jump(_ seconds: Int...) async throws -> Attempt? {
                for jump in seconds { try await store.moveSchedule(by: .seconds(jump), at: now) }
                return try await store.task(task.id)?.attempt
            }
            // There and back, and a little further each time: what is measured goes on, by the clock of today.
            let small = try await jump(7, -7, 20, 30)
            #expect(small?.clock == ClockDrift(sum: .seconds(50), highest: .seconds(50)))
            #expect(small?.absentReadings == 2 && small?.firstAbsentAt == now + .seconds(50))
            let large = try await jump(11)
            #expect(large?.clock == ClockDrift(sum: .seconds(61)))
            #expect(large?.absentReadings == 0 && large?.firstAbsentAt == nil)
            // A clock that comes back was wrong all the same.
            let back = try await jump(-61)
            #expect(back?.clock == ClockDrift(highest: .seconds(61)))
            #expect(try await store.task(ended.id) == ended)
        }
    }

    // MARK: Gates

    @Test func `gates come back as they were, the latest of each`() async throws {
        try await with { (store: TaskStore) async throws in
            var gate = CircuitState(kind: .submissions, name: "image/make")
            gate.pause = CircuitState.Pause(code: "paused", message: "by hand")
            gate.failures = 3
            gate.closedUntil = now
            gate.lastError = TaskFailure(code: "busy", message: "Later.", httpStatus: 500)
            gate.lastErrorAt = now
            gate.revision = 2
            try await store.save(CircuitState(kind: .submissions, name: "image/make"))
            try await store.save(gate)
            // One that was overtaken on its way changes nothing.
            var stale = CircuitState(kind: .submissions, name: "image/make")
            stale.revision = 1
            try await store.save(stale)
            try await store.save(CircuitState(kind: .polls, name: "image/make"))
            let gates = try await store.circuits()
            #expect(gates.count == 2)
            #expect(gates.contains(gate))
        }
    }

    // MARK: Anything in any order

    @Test(arguments: [UInt64(1), 2, 3])
    func `no order of events is more than the store can write`(seed: UInt64) async throws {
        try await with { (store: TaskStore) async throws in
            var random = SeededRandom(seed: seed)
            let tasks = (0..<8).map { TrackedTask.task($0) }
            for task in tasks { _ = try await store.insert(.new(task)) }
            for step in 0..<250 {
                let task = tasks[Int.random(in: tasks.indices, using: &random)]
                let event = TaskEvent.random(using: &random)
                let before = try #require(try await store.task(task.id))
                let due = Bool.random(using: &random) ? now : nil
                let place = "seed \(seed), step \(step): \(event.kind) on \(before.state)"
                var expected = TaskLifecycle.apply(event, to: before, at: now + .seconds(step), nextDueAt: due)
                if expected.transition == .advance(to: .submitting) {
                    expected.task.attempt?.lease = LeaseHolder.thisProcess.token
                }
                // All attempts were made by one account, which the log names.
                if expected.task.account == .unknown, expected.task.remoteID != before.remoteID {
                    expected.task.account = .default
                }
                do {
                    let change = try await store.apply(
                        event, to: task.id, under: .testing, at: now + .seconds(step), nextDueAt: due)
                    #expect(change == expected, "\(place)")
                    #expect(try await store.task(task.id) == expected.task, "\(place)")
                } catch {
                    Issue.record("\(place): \(error)")
                }
            }
        }
    }

    // MARK: Leases

    @Test func `a claim acquires its lease, and another process cannot claim under it`() async throws {
        try await withDriver { (driver: any StoreDriver) async throws in
            let (first, second) = (TaskStore(driver, holder: holder(1)), TaskStore(driver, holder: holder(2)))
            let tasks = [TrackedTask.task(1), TrackedTask.task(2)]
            for task in tasks { _ = try await first.insert(.new(task)) }
            let started = try await first.apply(
                .submissionStarted(), to: tasks[0].id, under: .testing, at: now, nextDueAt: now)
            #expect(started?.task.attempt?.lease == holder(1).token)
            #expect(try await second.task(tasks[0].id)?.attempt?.lease == holder(1).token)
            await #expect(throws: TaskStoreError.leaseHeld(by: "holder 1")) {
                _ = try await second.apply(
                    .submissionStarted(), to: tasks[1].id, under: .testing, at: now, nextDueAt: now)
            }
            #expect(try await second.task(tasks[1].id) == tasks[1])
            // Another account's lease is free.
            let other = LeaseName(ProviderAccount(provider: "testing", account: "second"))
            let change = try await second.apply(
                .submissionStarted(), to: tasks[1].id, under: other, at: now, nextDueAt: now)
            #expect(change?.transition == .advance(to: .submitting))
            let third = TrackedTask.task(3)
            _ = try await first.insert(.new(third))
            await #expect(throws: TaskStoreError.failed("a submission was started without a lease")) {
                _ = try await first.apply(.submissionStarted(), to: third.id, at: now, nextDueAt: now)
            }
        }
    }

    @Test func `a lost lease forbids starting and never recording`() async throws {
        try await withDriver { (driver: any StoreDriver) async throws in
            let (first, second) = (TaskStore(driver, holder: holder(1)), TaskStore(driver, holder: holder(2)))
            let tasks = [TrackedTask.task(1), TrackedTask.task(2)]
            for task in tasks { _ = try await first.insert(.new(task)) }
            _ = try await first.apply(
                .submissionStarted(), to: tasks[0].id, under: .testing, at: now, nextDueAt: now)
            try await second.endOtherLeases(at: now)
            #expect(try await second.acquire([.testing], at: now).isEmpty)
            #expect(try await first.acquire([.testing], at: now).map(\.holder) == ["holder 2"])
            await #expect(throws: TaskStoreError.leaseHeld(by: "holder 2")) {
                _ = try await first.apply(
                    .submissionStarted(), to: tasks[1].id, under: .testing, at: now, nextDueAt: now)
            }
            let accepted = try await first.apply(
                .submissionAccepted(try remote("r"), traceID: nil), to: tasks[0].id, at: now, nextDueAt: now)
            #expect(accepted?.task.state == .running)
        }
    }

    @Test func `only what is being sent under an ended lease is lost`() async throws {
        try await withDriver { (driver: any StoreDriver) async throws in
            let (first, second) = (TaskStore(driver, holder: holder(1)), TaskStore(driver, holder: holder(2)))
            let task = TrackedTask.task(1)
            let old = TrackedTask.task(2, state: .submitting)
            for task in [task, old] { _ = try await first.insert(.new(task)) }
            _ = try await first.apply(.submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)
            func endLost() async throws -> [TaskID] {
                try await second.endLostSubmissions(at: now) { [now] task in
                    ScheduledEvent(
                        .submissionInterrupted(.init(code: "daemon_stopped", message: ""), isProbablyRefused: false),
                        for: task.id, nextDueAt: now)
                }.map(\.task.id)
            }
            // An attempt of a version without leases has none.
            #expect(try await endLost() == [old.id])
            try await second.endOtherLeases(at: now)
            #expect(try await endLost() == [task.id])
            #expect(try await first.task(task.id)?.state == .uncertain)
        }
    }

    func holder(_ number: UInt128) -> LeaseHolder {
        LeaseHolder(name: "holder \(number)", token: LeaseToken(number << 64 | 7))
    }
}
