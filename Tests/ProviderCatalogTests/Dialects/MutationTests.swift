import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

/// Tests that damaged replies crash no reader and never turn another verdict into a success.
@Suite struct MutationTests {
    private static let seeds: Range<UInt64> = 0..<200
    private static let unfinished = Fixture.all.filter { ["pending", "failed"].contains($0.expected) }

    @Test(arguments: unfinished)
    func `no damage turns a pending or failed body into a success`(fixture: Fixture) throws {
        for profile in try [fixture.profile, Fixture.generalProfile] {
            for seed in Self.seeds {
                var mutation = Mutation(seed: seed)
                let json = mutation.mutate(fixture.json)
                let verdicts =
                    switch fixture.kind {
                    case "callback": [profile.dialect.readCallback(json)?.1.verdict]
                    case "retrieve": [profile.observe(json)?.verdict]
                    case "retrieve_batch": (json["items"]?.array ?? []).map { profile.observe($0)?.verdict }
                    default: [submitted(json, fixture.httpStatus, profile)]
                    }
                for case .succeeded in verdicts.compactMap(\.self) {
                    Issue.record("\(profile.name), seed \(seed): \(json.text.prefix(2000))")
                }
            }
        }
    }

    @Test(arguments: Fixture.all)
    func `no damage crashes a reader, and a record is kept as received`(fixture: Fixture) throws {
        let profile = try fixture.profile
        let id = try #require(ownID(fixture.json) ?? RemoteTaskID("asked"))
        var isEverRead = false
        for seed in Self.seeds.prefix(40) {
            var mutation = Mutation(seed: seed)
            let json = mutation.mutate(fixture.json)
            var body = json.utf8
            // Every third body is also truncated.
            if seed % 3 == 0 { body.removeLast(min(body.count, Int(seed))) }
            let reply = UpstreamReply(status: [200, fixture.httpStatus, 500, 404][Int(seed % 4)], body: body)
            if case .observed(let observation) = profile.dialect.readLookup(reply, of: id) {
                isEverRead = true
                #expect(observation.record == json, "seed \(seed)")
                #expect(observation.progress.map { 0...100 ~= $0 } ?? true)
            }
            if case .observed(let observations) = profile.batching?.read(reply, of: [id]) {
                #expect(observations.keys.allSatisfy { $0 == id }, "seed \(seed)")
            }
            if case .page(let tasks, let unreadable, _) = profile.listing?.read(reply) {
                #expect(tasks.count + unreadable <= body.count, "seed \(seed)")
            }
            if case .accepted = profile.dialect.readSubmission(reply) {
                #expect(reply.status == 200 || reply.status == 201)
            }
        }
        // A reader that understands nothing would pass the checks above.
        if fixture.kind == "retrieve", fixture.expected != "n/a" { #expect(isEverRead) }
    }

    private func submitted(_ json: JSONValue, _ status: Int, _ profile: EndpointProfile) -> Observation.Verdict? {
        switch profile.dialect.readSubmission(UpstreamReply(status: status, body: json.utf8)) {
        case .answered(let observation, _): observation.verdict
        case .accepted, .throttled, .stopped, .refused, .probablyRefused, .unknown: nil
        }
    }
}
