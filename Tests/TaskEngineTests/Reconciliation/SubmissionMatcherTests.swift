import ProviderCatalog
import Randomness
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

@Suite struct SubmissionMatcherTests {
    private let start = ManualTimeSource.start

    private func lost(
        _ number: Int, _ request: JSONObject = JSONObject([("prompt", "a cat")]), type: String? = nil,
        others: Set<String> = [], window: ClosedRange<Int> = -60...120, endpoint: String = "suno/audios",
        token: String? = nil, ownID: String? = nil, by account: AccountName = .default
    ) -> LostAttempt {
        LostAttempt(
            key: GivenUpAttempt.Key(task: TrackedTask.task(number).id, number: 1),
            endpoint: EndpointName(endpoint) ?? { preconditionFailure("a valid name") }(), by: account,
            request: request,
            recordType: type, otherTypes: others,
            window: start + .seconds(window.lowerBound)...start + .seconds(window.upperBound),
            callback: token.map {
                LostAttempt.Callback(member: "callback_url", digest: CallbackToken.digest(of: $0))
            },
            ownID: ownID.flatMap { RemoteTaskID($0) }.map { ("mission", $0) })
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
        _ lost: [LostAttempt], _ records: [ListedTask], sending: [LostAttempt] = [], named: Set<RemoteTaskID> = [],
        by evidence: ListEvidence = Self.verbatim
    ) -> [SubmissionMatcher.Finding?] {
        let endpoints = Set((lost + sending).map(\.endpoint))
        let list = SubmissionMatcher.List(
            account: .default, ids: Set(records.map(\.remoteID)),
            evidence: Dictionary(uniqueKeysWithValues: endpoints.map { ($0, evidence) }))
        let findings = SubmissionMatcher.search(
            for: lost, among: records, of: [list], sending: sending, named: named)
        return lost.map { findings[$0.key] }
    }

    private static func evidence(_ endpoints: String...) -> [EndpointName: ListEvidence] {
        Dictionary(uniqueKeysWithValues: endpoints.compactMap { EndpointName($0) }.map { ($0, verbatim) })
    }

    private func found(_ id: String) -> SubmissionMatcher.Finding {
        RemoteTaskID(id).map { .found($0, traceID: nil) } ?? .nothing
    }

    private func possible(_ ids: String..., isSame: Bool = false) -> SubmissionMatcher.Finding {
        .possible(ids.compactMap { RemoteTaskID($0) }, isSame: isSame)
    }

    /// Evidence of a list that echoes Latin prompts verbatim and the default `model: v6`.
    private static let verbatim = ListEvidence(
        defaults: [["model"]: ["v6"]], verbatim: [["prompt"]: [[.latin]], ["input", "prompt"]: [[.latin]]])

    // MARK: The contract's table

    private static let long = String(repeating: "a very long prompt about the sea, ", count: 12)

    /// Requests, echoed records and their verdicts.
    private static let contract: [(sent: JSONValue, record: JSONValue, verdict: SubmissionMatcher.Verdict)] = [
        (["prompt": "a cat \n"], ["prompt": "a cat"], .possible),
        (["prompt": .string(long)], ["prompt": .string(String(long.prefix(200)))], .possible),
        (
            ["prompt": "from image", "image": "data:image/png;base64,AAAA"],
            ["prompt": "from image", "image": "https://cdn.example/x.png"], .possible
        ),
        (["prompt": "a red house on a hill"], ["prompt": "a blue car at night"], .other),
        (["prompt": "a cat"], ["prompt": "a cat", "mode": "turbo", "n": 4], .possible),
        (["prompt": "a cat"], ["prompt": "a dog"], .possible),
        // Equal, whatever the order and the number format.
        (["prompt": "a cat", "n": 1], ["n": .number(JSONNumber(1)), "prompt": "a cat"], .same),
        (["prompt": "a cat", "size": ["w": 1, "h": 2]], ["size": ["h": 2, "w": 1], "prompt": "a cat"], .same),
        // Empty members, or defaults of the endpoint.
        (["prompt": "a cat"], ["prompt": "a cat", "async": true, "seed": nil, "tags": [], "style": ""], .same),
        (["prompt": "a cat", "seed": nil], ["prompt": "a cat", "model": "v6"], .same),
        (["prompt": "a cat"], ["prompt": "a cat", "model": "v7"], .possible),
        (["input": ["prompt": "a cat"]], ["input": ["prompt": "a cat", "n": 2]], .possible),
        // Numbers, Booleans, URLs, missing and additional members never contradict.
        (["prompt": "a cat", "n": 1], ["prompt": "a cat", "n": 4], .possible),
        (["prompt": "a cat", "hd": true], ["prompt": "a cat", "hd": false], .possible),
        (["url": "https://a.example/one/two/three"], ["url": "https://b.example/four/five"], .possible),
        (
            ["key": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="], ["key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"],
            .possible
        ),
        (["prompt": "a red house on a hill"], ["style": "anime"], .possible),
        (["prompt": "a red house on a hill"], [:], .possible),
        (["prompt": "a red house on a hill"], nil, .possible),
        // Rewritten by the provider.
        (["prompt": "A Red House, on a hill!"], ["prompt": "a red house on a hill --v 6"], .possible),
        (["prompt": "salt &amp; pepper on a table"], ["prompt": "salt & pepper on a table"], .possible),
        (["prompt": "caf\u{e9} with red chairs"], ["prompt": "cafe\u{301} with red chairs and more"], .possible),
        (["prompt": "\u{ff32}\u{ff45}\u{ff44} house on a hill"], ["prompt": "red house on a hill"], .possible),
        (["prompt": "line one of it\nline two of it"], ["prompt": "line one of it\\nline two of it"], .possible),
        (["prompt": "100% sure of this one"], ["prompt": "100%25%20sure%20of%20this%20one"], .possible),
        (["prompt": "a rock &rock; of unknown kind"], ["prompt": "something else altogether"], .possible),
        (["prompt": "my key is sk-0123456789abcdef"], ["prompt": "their key is (redacted)"], .possible),
        // The control echoed Latin letters verbatim, which proves nothing about others.
        (["prompt": "ein rotes Haus auf dem Berg 山上的红房子"], ["prompt": "a red house on a mountain"], .possible),
        // A member that the control does not have.
        (["lyrics": "all the leaves are brown"], ["lyrics": "and the sky is grey today"], .possible),
        (["input": ["prompt": "a red house on a hill"]], ["input": ["prompt": "a blue car at night"]], .other),
    ]

    @Test func `an open task gets the only record before a given-up attempt with an equal request`() {
        var givenUp = lost(1, window: -90...120)
        givenUp.isGivenUp = true
        #expect(search([givenUp, lost(2)], [record("r-1")]) == [.nothing, found("r-1")])
        #expect(search([givenUp, lost(2)], [record("r-1"), record("r-2")]).allSatisfy { $0 != .nothing })
    }

    @Test(arguments: contract.indices)
    func `a record is the same, possible or another's as in the contract's table`(row: Int) throws {
        let (sent, echo, verdict) = Self.contract[row]
        let attempt = lost(1, try #require(sent.object))
        let judged = SubmissionMatcher.verdict(
            on: SubmissionMatcher.Record(record("r-1", echo)), for: attempt, by: Self.verbatim)
        #expect(judged == verdict, "\(sent.text) → \(echo.text)")
    }

    @Test func `without a control with verbatim echoes no text contradicts`() {
        let sent = lost(1, JSONObject([("prompt", "a red house on a hill")]))
        let records = [record("r-1", ["prompt": "a blue car at night"])]
        #expect(search([sent], records, by: ListEvidence()) == [possible("r-1")])
        #expect(search([sent], records) == [.nothing])
    }

    // MARK: Types, tokens, ids, times

    @Test func `record types match without regard to case, and those of other endpoints exclude a record`() {
        let attempt = lost(1, type: "imagine", others: ["videos"])
        #expect(search([attempt], [record("r-1", type: "IMAGINE")]) == [found("r-1")])
        #expect(search([attempt], [record("r-1", type: "Videos")]) == [.nothing])
        #expect(search([attempt], [record("r-1", type: "blend")]) == [possible("r-1")])
        #expect(search([attempt], [record("r-1")]) == [found("r-1")])
    }

    @Test func `the attempt's token proves a record, whatever its content and time`() {
        let attempt = lost(1, token: "mine")
        let echo: JSONValue = ["prompt": "A CAT", "callback_url": "https://x.example/callbacks/mine"]
        #expect(search([attempt], [record("r-1", echo, at: 7_000)]) == [found("r-1")])
    }

    @Test func `another attempt's token excludes a record, and any other callback URL is possible`() {
        let (mine, theirs) = (lost(1, token: "mine"), lost(2, token: "theirs"))
        let echo: JSONValue = ["prompt": "a cat", "callback_url": "https://x.example/callbacks/theirs"]
        #expect(search([mine, theirs], [record("r-1", echo)]) == [.nothing, found("r-1")])
        for address in ["https://***", "https://x.example/hook"] as [JSONValue] {
            let echo: JSONValue = ["prompt": "a cat", "callback_url": address]
            #expect(search([mine], [record("r-1", echo)]) == [possible("r-1")])
        }
        #expect(search([mine], [record("r-1")]) == [possible("r-1")])
    }

    @Test func `equal attempts of unknown accounts share the records of all lists`() {
        let attempts = [lost(1, by: .unknown), lost(2, by: .unknown)]
        let records = [record("r-1"), record("r-2")]
        let evidence = Self.evidence("suno/audios")
        let lists = [("a", "r-1"), ("b", "r-2")].compactMap { account, id in
            RemoteTaskID(id).map {
                SubmissionMatcher.List(account: AccountName(stored: account), ids: [$0], evidence: evidence)
            }
        }
        let findings = SubmissionMatcher.search(for: attempts, among: records, of: lists)
        #expect(attempts.map { findings[$0.key] } == [found("r-1"), found("r-2")])
    }

    @Test func `an attempt gets no record that only another account's list shows, but competes for it`() throws {
        let (mine, other) = (lost(1, by: "a"), lost(2, endpoint: "suno/covers", by: "b"))
        let id = try #require(RemoteTaskID("r-1"))
        let evidence = Self.evidence("suno/audios", "suno/covers")
        let list = SubmissionMatcher.List(account: "a", ids: [id], evidence: evidence)
        func findings(_ attempts: LostAttempt...) -> [SubmissionMatcher.Finding?] {
            let findings = SubmissionMatcher.search(for: attempts, among: [record("r-1")], of: [list])
            return attempts.map { findings[$0.key] }
        }
        #expect(findings(mine) == [found("r-1")])
        #expect(findings(mine, other) == [possible("r-1", isSame: true), .nothing])
        #expect(findings(mine, lost(3, by: "b")) == [found("r-1"), .nothing])
    }

    @Test func `a record marked with another attempt's token is another's`() throws {
        let owner = GivenUpAttempt.Key(task: TrackedTask.task(7).id, number: 2)
        let attempt = lost(1)
        let id = try #require(RemoteTaskID("r-1"))
        let findings = SubmissionMatcher.search(
            for: [attempt], among: [record("r-1")],
            of: [SubmissionMatcher.List(account: .default, ids: [id], evidence: [:])], marked: [id: owner])
        #expect(findings[attempt.key] == .nothing)
    }

    @Test func `an endpoint's client id is required in a record, and another attempt's excludes it`() {
        let (mine, theirs) = (lost(1, ownID: "M-1"), lost(2, ownID: "m-2"))
        #expect(search([mine], [record("m1")]) == [found("m1")])
        #expect(
            search([mine, theirs], [record("r-1", ["prompt": "a cat", "mission": "m-2"])]) == [.nothing, found("r-1")])
        #expect(search([mine], [record("r-1")]) == [possible("r-1")])
    }

    @Test func `only records in the time window count, and those without a time are in every window`() {
        #expect(search([lost(1)], [record("r-1", at: 121)]) == [.nothing])
        #expect(search([lost(1)], [record("r-1", at: -61)]) == [.nothing])
        #expect(search([lost(1)], [record("r-1", at: nil)]) == [found("r-1")])
        #expect(search([lost(1)], [record("r-1", ["prompt": "?"], at: nil)]) == [possible("r-1")])
    }

    // MARK: Several attempts and records

    @Test func `two equal requests need two records`() {
        #expect(search([lost(1), lost(2)], [record("r-1"), record("r-2")]).contains(.nothing) == false)
        let one = search([lost(1), lost(2)], [record("r-1")])
        #expect(one.filter { $0 == found("r-1") }.count == 1)
        #expect(one.filter { $0 == .nothing }.count == 1)
    }

    @Test func `the attempt with more members gets the record with more members`() {
        let rich = lost(1, JSONObject([("prompt", "a cat"), ("model", "v6")]))
        let records = [record("r-rich", ["prompt": "a cat", "model": "v6"]), record("r-poor")]
        #expect(search([lost(2), rich], records) == [found("r-poor"), found("r-rich")])
    }

    @Test func `an attempt with a longer time window does not get the only record of another one`() {
        let long = lost(1, window: -60...300)
        let short = lost(2, window: 0...100)
        let records = [record("r-both", at: 50), record("r-long", at: 200)]
        #expect(search([long, short], records) == [found("r-long"), found("r-both")])
    }

    @Test func `a record that may be a submitting task's is not assigned`() {
        #expect(search([lost(1)], [record("r-1")], sending: [lost(2)]) == [possible("r-1", isSame: true)])
        // Also if the provider rewrites the submitted request.
        let padded = lost(2, JSONObject([("prompt", "A cat \n")]))
        #expect(search([lost(1)], [record("r-1")], sending: [padded]) == [possible("r-1", isSame: true)])
        let other = lost(2, JSONObject([("prompt", "a dog")]))
        #expect(search([lost(1)], [record("r-1")], sending: [other]) == [found("r-1")])
    }

    @Test func `a record that matches attempts of two endpoints is not assigned`() {
        let findings = search([lost(1), lost(2, endpoint: "suno/other")], [record("r-1")])
        #expect(findings == [possible("r-1", isSame: true), possible("r-1", isSame: true)])
    }

    @Test func `a record that may be another endpoint's lost task is not assigned`() {
        let rewritten = lost(2, JSONObject([("prompt", "A cat ")]), endpoint: "suno/other")
        #expect(search([lost(1), rewritten], [record("r-1")]).first == possible("r-1", isSame: true))
    }

    @Test func `a record that a person has named is not assigned and prevents absence`() throws {
        let named: Set = [try #require(RemoteTaskID("r-1"))]
        #expect(search([lost(1)], [record("r-1")], named: named) == [possible("r-1", isSame: true)])
        #expect(search([lost(1)], [record("r-1", ["prompt": "A cat"])], named: named) == [possible("r-1")])
    }

    @Test(arguments: Array(UInt64(1)...40))
    func `no record is assigned twice, and the number of assignments is the largest possible`(seed: UInt64) {
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
                    ["p": .number(JSONNumber(Int.random(in: 0...1, using: &random)))],
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

    private func fits(_ record: ListedTask, _ task: LostAttempt) -> Bool {
        record.createdAt.map(task.window.contains) ?? true && record.request["p"] == task.request.leaves[["p"]]
    }

    /// The largest possible number of assignments, by exhaustive search.
    private func most(_ tasks: ArraySlice<LostAttempt>, _ records: [ListedTask]) -> Int {
        guard let task = tasks.first else { return 0 }
        let without = most(tasks.dropFirst(), records)
        let with = records.filter { fits($0, task) }.map { record in
            1 + most(tasks.dropFirst(), records.filter { $0.remoteID != record.remoteID })
        }
        return max(without, with.max() ?? 0)
    }

    @Test(.timeLimit(.minutes(5))) func `hundreds of equal requests are matched without a stack overflow`() {
        let tasks = (0..<300).map { lost($0) }
        let records = (0..<200).map { record("r-\($0)") }
        let findings = search(tasks, records)
        #expect(findings.filter { $0 == .nothing }.count == 100)
    }
}
