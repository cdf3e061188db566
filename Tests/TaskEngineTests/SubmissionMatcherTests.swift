import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

@Suite struct SubmissionMatcherTests {
    private let start = ManualTimeSource.start

    private func lost(
        _ number: Int, _ request: JSONObject = JSONObject([("prompt", "a cat")]), type: String? = nil,
        window: ClosedRange<Int> = -60...120, endpoint: String = "suno/audios"
    ) -> SubmissionMatcher.Lost {
        SubmissionMatcher.Lost(
            id: TrackedTask.task(number).id,
            endpoint: EndpointName(endpoint) ?? { preconditionFailure("a valid name") }(), request: request,
            recordType: type,
            window: start + .seconds(window.lowerBound)...start + .seconds(window.upperBound))
    }

    private func record(
        _ id: String, _ request: JSONValue = ["prompt": "a cat"], at seconds: Int? = 1, type: String? = nil
    ) -> ListedTask {
        ListedTask(
            remoteID: RemoteTaskID(id) ?? { preconditionFailure("a valid id") }(),
            createdAt: seconds.map { start + .seconds($0) },
            type: type, request: request)
    }

    private func search(
        _ lost: [SubmissionMatcher.Lost], _ records: [ListedTask], sending: [SubmissionMatcher.Lost] = []
    ) -> [SubmissionMatcher.Finding?] {
        let findings = SubmissionMatcher.search(for: lost, among: records, sending: sending)
        return lost.map { findings[$0.id] }
    }

    private func found(_ id: String) -> SubmissionMatcher.Finding {
        RemoteTaskID(id).map { .found($0, traceID: nil) } ?? .absent
    }

    @Test func `a record with every field that was sent is the task's, whatever was added`() {
        let records = [record("r-1", ["model": "v6", "prompt": "a cat", "async": true, "seed": 9])]
        #expect(search([lost(1)], records) == [found("r-1")])
    }

    @Test func `numbers are compared by value and members without order`() {
        let sent = JSONObject([("n", 1), ("size", .object(JSONObject([("w", 1), ("h", 2)])))])
        let echo: JSONValue = ["size": ["h": 2, "w": 1], "n": 1]
        #expect(search([lost(1, sent)], [record("r-1", echo)]) == [found("r-1")])
    }

    @Test(arguments: [
        ["prompt": "a dog"], ["model": "v6"], ["prompt": ["a cat"]], [:] as JSONValue,
    ])
    func `a record that differs in a field that was sent is not`(echo: JSONValue) {
        let sent = JSONObject([("prompt", "a cat"), ("model", "v6")])
        #expect(search([lost(1, sent)], [record("r-1", echo, at: 1)]).first != found("r-1"))
    }

    @Test func `that async was asked for need not be echoed, a null need not either`() {
        let sent = JSONObject([("prompt", "a cat"), ("async", true), ("seed", nil)])
        #expect(search([lost(1, sent)], [record("r-1")]) == [found("r-1")])
    }

    @Test func `a record that does not say where to call back may be the task's, whether async is echoed or not`() {
        var task = lost(1, JSONObject([("prompt", "a cat"), ("async", true)]))
        task.callback = SubmissionMatcher.Callback(
            member: "callback_url", digest: CallbackToken.digest(of: "a token"))
        #expect(search([task], [record("r-1", ["prompt": "a cat", "model": "v1"])]) == [.undecided])
        #expect(search([task], [record("r-1", ["prompt": "a dog"])]) == [.absent])
        // Nor is one of another time that does not say it anybody's for certain; one that does is somebody else's.
        #expect(search([task], [record("r-1", at: 121)]) == [.undecided])
        let other: JSONValue = ["prompt": "a cat", "callback_url": "https://x.example/callbacks/another"]
        #expect(search([task], [record("r-1", other, at: 121)]) == [.absent])
    }

    @Test func `a record that fits in all but its time decides nothing`() {
        #expect(search([lost(1)], [record("r-1", at: 121)]) == [.undecided])
        #expect(search([lost(1)], [record("r-1", at: -61)]) == [.undecided])
        #expect(search([lost(1)], [record("r-1", ["prompt": "a dog"], at: 121)]) == [.absent])
    }

    @Test func `records of another kind are others`() {
        #expect(search([lost(1, type: "imagine")], [record("r-1", type: "videos")]) == [.absent])
        #expect(search([lost(1, type: "imagine")], [record("r-1", type: "imagine")]) == [found("r-1")])
        #expect(search([lost(1, type: "imagine")], [record("r-1")]) == [found("r-1")])
        #expect(search([lost(1)], [record("r-1", at: nil)]) == [found("r-1")])
    }

    @Test func `two equal requests need two records`() {
        #expect(search([lost(1), lost(2)], [record("r-1"), record("r-2")]).contains(.absent) == false)
        let one = search([lost(1), lost(2)], [record("r-1")])
        #expect(one.filter { $0 == found("r-1") }.count == 1)
        #expect(one.filter { $0 == .absent }.count == 1)
    }

    @Test func `who sent more fields takes the record with more fields`() {
        let rich = lost(1, JSONObject([("prompt", "a cat"), ("model", "v6")]))
        let poor = lost(2)
        let records = [record("r-rich", ["prompt": "a cat", "model": "v6"]), record("r-poor")]
        #expect(search([poor, rich], records) == [found("r-poor"), found("r-rich")])
    }

    @Test func `a longer window does not take the only record of a shorter one`() {
        let long = lost(1, window: -60...300)
        let short = lost(2, window: 0...100)
        let records = [record("r-both", at: 50), record("r-long", at: 200)]
        #expect(search([long, short], records) == [found("r-long"), found("r-both")])
    }

    @Test func `a record that may be of a task being sent is nobody's yet`() {
        #expect(search([lost(1)], [record("r-1")], sending: [lost(2)]) == [.undecided])
        let other = lost(2, JSONObject([("prompt", "a dog")]))
        #expect(search([lost(1)], [record("r-1")], sending: [other]) == [found("r-1")])
    }

    @Test(arguments: [nil, [:] as JSONValue])
    func `a record that does not say what was asked for proves no absence`(echo: JSONValue) {
        #expect(search([lost(1)], [record("r-1", echo)]) == [.undecided])
        #expect(search([lost(1)], [record("r-1", echo, at: 500)]) == [.absent])
        #expect(search([lost(1, type: "imagine")], [record("r-1", echo, type: "videos")]) == [.absent])
    }

    @Test(arguments: Array(UInt64(1)...40))
    func `no record serves two tasks, and no more could be served`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<30 {
            let tasks = (0..<Int.random(in: 1...6, using: &random)).map { number in
                let low = Int.random(in: 0...60, using: &random)
                return lost(
                    number, JSONObject([("p", .number(JSONNumber(Int.random(in: 0...1, using: &random))))]),
                    window: low...low + Int.random(in: 0...90, using: &random))
            }
            let records = (0..<Int.random(in: 0...6, using: &random)).map { number in
                record(
                    "r-\(number)",
                    [
                        "p": .number(JSONNumber(Int.random(in: 0...1, using: &random))),
                        "q": .number(JSONNumber(number)),
                    ],
                    at: Int.random(in: 0...150, using: &random))
            }
            let findings = search(tasks, records)
            var served: [RemoteTaskID] = []
            for (task, finding) in zip(tasks, findings) {
                guard case .found(let id, _) = finding, let record = records.first(where: { $0.remoteID == id }) else {
                    continue
                }
                served.append(id)
                #expect(fits(record, task), "seed \(seed)")
            }
            #expect(Set(served).count == served.count, "seed \(seed)")
            #expect(served.count == most(tasks[...], records), "seed \(seed)")
        }
    }

    private func fits(_ record: ListedTask, _ task: SubmissionMatcher.Lost) -> Bool {
        record.createdAt.map(task.window.contains) ?? true && record.request["p"] == task.request["p"]
    }

    /// How many can be served at all, by trying everything.
    private func most(_ tasks: ArraySlice<SubmissionMatcher.Lost>, _ records: [ListedTask]) -> Int {
        guard let task = tasks.first else { return 0 }
        let without = most(tasks.dropFirst(), records)
        let with = records.filter { fits($0, task) }.map { record in
            1 + most(tasks.dropFirst(), records.filter { $0.remoteID != record.remoteID })
        }
        return max(without, with.max() ?? 0)
    }

    @Test(.timeLimit(.minutes(1))) func `hundreds of equal requests are matched without a stack of their own`() {
        let tasks = (0..<300).map { lost($0) }
        let records = (0..<200).map { record("r-\($0)") }
        let findings = search(tasks, records)
        #expect(findings.filter { $0 == .absent }.count == 100)
    }
}

@Suite struct AbsenceProofTests {
    private let proof = AbsenceProof(
        readings: 3, span: .seconds(120), seen: { ManualTimeSource.start + .seconds(1_000) - $0 })
    private let now = ManualTimeSource.start + .seconds(1_000)

    private func task(
        readings: Int, since seconds: Int?, policy: UncertainPolicy = .resubmitIfAbsent, probablyRefused: Bool = false
    ) -> TrackedTask {
        var task = TrackedTask.task(state: .uncertain, onUncertain: policy)
        task.attempt?.absentReadings = readings
        task.attempt?.firstAbsentAt = seconds.map { now - .seconds($0) }
        task.attempt?.isProbablyRefused = probablyRefused
        return task
    }

    @Test(arguments: [(0, nil), (1, 120), (1, 86_400), (2, 119), (9, 119)] as [(Int, Int?)])
    func `fewer than three readings or two minutes prove nothing`(readings: Int, since: Int?) {
        #expect(proof.event(for: task(readings: readings, since: since), at: now) == .absentFromList)
        let refused = task(readings: readings, since: since, probablyRefused: true)
        #expect(proof.event(for: refused, at: now) == .absentFromList)
    }

    @Test func `the third reading after two minutes settles it by the task's policy`() {
        #expect(proof.event(for: task(readings: 2, since: 120), at: now) == .resubmitted(.resubmittedByPolicy))
        #expect(proof.event(for: task(readings: 2, since: 120, policy: .hold), at: now) == .absentFromList)
        let given = proof.event(for: task(readings: 2, since: 120, policy: .fail), at: now)
        guard case .givenUp(let failure, .givenUpByPolicy) = given else {
            Issue.record("\(given)")
            return
        }
        #expect(failure.code == "submission_lost")
    }

    @Test(arguments: UncertainPolicy.allCases)
    func `a probable refusal is believed, whatever the policy`(policy: UncertainPolicy) {
        let refused = task(readings: 2, since: 120, policy: policy, probablyRefused: true)
        let reason = TaskFailure(code: "reply_lost", message: "The reply was lost.")
        #expect(proof.event(for: refused, at: now) == .givenUp(reason, .refusalConfirmed))
    }
}
