import Testing

@testable import Sandbox

@Suite struct FaultPlanTests {
    @Test func `a plan names kinds, probabilities, numbers and spans`() throws {
        let plan = try FaultPlan(parsing: "lost-reply@1,3, late-record=0.5:1500ms,429-retry-after@2:2s,poll-500=1")
        #expect(
            plan.rules == [
                .init(kind: .lostReply, occurrence: .numbers([1, 3])),
                .init(kind: .lateRecord, occurrence: .probability(0.5), span: .milliseconds(1500)),
                .init(kind: .tooManyRequestsRetryAfter, occurrence: .numbers([2]), span: .seconds(2)),
                .init(kind: .pollError, occurrence: .probability(1)),
            ])
    }

    @Test func `a duration may follow the last number of a list`() throws {
        let plan = try FaultPlan(parsing: "late-record@1,3:2m")
        #expect(plan.rules == [.init(kind: .lateRecord, occurrence: .numbers([1, 3]), span: .seconds(120))])
    }

    @Test func `a fault name that begins with a digit does not continue a list`() throws {
        let plan = try FaultPlan(parsing: "lost-reply@1,429@2")
        #expect(plan.rules.map(\.kind) == [.lostReply, .tooManyRequests])
    }

    @Test(arguments: ["", "none", " none ", ","]) func `several texts mean no faults`(text: String) throws {
        #expect(try FaultPlan(parsing: text) == .none)
    }

    @Test(arguments: [
        ("lost-replies=1", FaultPlanError.unknownKind("lost-replies")),
        ("none,busy=1", .unknownKind("none")),
        ("busy", .missingOccurrence("busy")),
        ("busy=2", .badProbability(kind: "busy", text: "2")),
        ("busy=nan", .badProbability(kind: "busy", text: "nan")),
        ("busy@0", .badNumber(kind: "busy", text: "0")),
        ("busy@one", .badNumber(kind: "busy", text: "one")),
        ("busy=0.1:3s", .unexpectedSpan(kind: "busy")),
        ("hang=0.1:soon", .badSpan(kind: "hang", text: "soon")),
        ("hang=0.1:9e9s", .badSpan(kind: "hang", text: "9e9s")),
        ("busy=0.1,busy@2", .repeatedKind("busy")),
    ])
    func `an invalid plan is rejected with an explanation`(text: String, error: FaultPlanError) {
        #expect(throws: error) { try FaultPlan(parsing: text) }
        #expect(!error.description.isEmpty)
    }

    @Test func `the help names every kind`() {
        for kind in FaultKind.allCases { #expect(FaultPlan.help.contains("  \(kind.rawValue) ")) }
    }

    @Test(arguments: [UInt64(1), 7, 42]) func `a probability is kept over many requests`(seed: UInt64) throws {
        let plan = try FaultPlan(parsing: "lost-reply=0.1")
        let affected = (1...10_000).count { plan.faults(submit: $0, seed: seed).reply != nil }
        #expect((850...1150).contains(affected), "seed \(seed)")
    }

    @Test func `another rule does not change which requests the others affect`() throws {
        let alone = try FaultPlan(parsing: "lost-reply=0.2")
        let together = try FaultPlan(parsing: "lost-reply=0.2,late-record=0.5,poll-500=0.5")
        for number in 1...200 {
            #expect(
                alone.faults(submit: number, seed: 3).reply == together.faults(submit: number, seed: 3).reply)
        }
    }

    @Test func `a late record adds to a lost reply`() throws {
        let plan = try FaultPlan(parsing: "late-record@1:3s,lost-reply@1")
        let (reply, lateRecord) = plan.faults(submit: 1, seed: 1)
        #expect(reply?.kind == .lostReply)
        #expect(lateRecord == .seconds(3))
        #expect(plan.faults(submit: 2, seed: 1).reply == nil)
    }
}
