import Foundation
@testable import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

/// Tests every documented example with its endpoint's definition and with the general rules.
@Suite struct FixtureTests {
    @Test func `the index lists every kind and every file`() throws {
        #expect(Set(Fixture.all.map(\.kind)) == ["retrieve", "retrieve_batch", "callback", "submit_reply", "error"])
        let folder = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".json") }
        #expect(files.sorted() == Fixture.all.map(\.file).sorted())
    }

    @Test(arguments: Fixture.all("retrieve"))
    func `a documented record is read as documented`(fixture: Fixture) throws {
        for profile in try [fixture.profile, Fixture.generalProfile] {
            let id = try #require(ownID(fixture.json) ?? RemoteTaskID("asked"))
            switch profile.dialect.readLookup(fixture.reply, of: id) {
            case .observed(let observation):
                // The reply to a deletion is not a record and must only not end the task.
                let expected = fixture.expected == "n/a" ? "pending" : fixture.expected
                #expect(observation.verdict.word == expected, "\(profile.name)")
                #expect(observation.record == fixture.json)
            case .notFound:
                #expect(fixture.json == [:] && fixture.expected == "n/a")
            case .throttled, .failed:
                Issue.record("\(profile.name) does not read it as a record")
            }
            let direct = profile.observe(fixture.json, httpStatus: fixture.httpStatus)?.verdict.word
            #expect(direct == (fixture.json == [:] ? nil : fixture.expected == "n/a" ? "pending" : fixture.expected))
        }
    }

    @Test(arguments: Fixture.all("retrieve_batch"))
    func `each item of a documented batch is read as documented`(fixture: Fixture) throws {
        let items = try #require(fixture.json["items"]?.array)
        let ids = try items.map { try #require(ownID($0)) }
        let expected = try words(fixture, count: items.count)
        for profile in try [fixture.profile, Fixture.generalProfile] {
            // In another order than the reply, and with an unknown id.
            let asked = ids.reversed() + [try #require(RemoteTaskID("unknown"))]
            let batching = InferredBatching(dialect: try #require(profile.inferred), size: 50)
            guard case .observed(let observations) = batching.read(fixture.reply, of: asked) else {
                Issue.record("not read as a batch")
                return
            }
            #expect(Set(observations.keys) == Set(ids))
            for (id, word) in zip(ids, expected) {
                #expect(observations[id]?.verdict.word == word, "\(profile.name), \(id)")
            }
        }
    }

    @Test(arguments: Fixture.all("callback"))
    func `a documented callback is read as documented`(fixture: Fixture) throws {
        for profile in try [fixture.profile, Fixture.generalProfile] {
            let (id, observation) = try #require(profile.dialect.readCallback(fixture.json))
            #expect(observation.verdict.word == fixture.expected, "\(profile.name)")
            #expect(id == ownID(fixture.json))
        }
    }

    @Test(arguments: Fixture.all("submit_reply"))
    func `a documented submit reply is read as documented`(fixture: Fixture) throws {
        for profile in try [fixture.profile, Fixture.generalProfile] {
            switch profile.dialect.readSubmission(fixture.reply) {
            case .accepted(let id, _, _):
                #expect(fixture.expected == "pending", "\(profile.name)")
                #expect(id == ownID(fixture.json))
            case .answered(let observation, let id):
                #expect(observation.verdict.word == fixture.expected, "\(profile.name)")
                #expect(id == ownID(fixture.json))
            case .throttled, .stopped, .refused, .probablyRefused, .unknown:
                Issue.record("\(profile.name) reads it as an error")
            }
        }
    }

    @Test(arguments: Fixture.all("error"))
    func `a documented error proves what its status and code mean, and a query's error ends no task`(fixture: Fixture)
        throws
    {
        let code = fixture.json["error"]?["code"]?.string ?? fixture.json["code"]?.string
        for profile in try [fixture.profile, Fixture.generalProfile] {
            let verdict = profile.dialect.readSubmission(fixture.reply)
            let word =
                switch verdict {
                case .accepted, .answered: "accepted"
                case .throttled: "throttled"
                case .stopped: "stopped"
                case .refused: "refused"
                case .probablyRefused: "probably refused"
                case .unknown: "unknown"
                }
            let expected =
                fixture.httpStatus == 429 || code == "busy"
                ? "throttled"
                : fixture.httpStatus == 504 ? "unknown" : fixture.httpStatus >= 500 ? "probably refused" : "refused"
            #expect(word == expected)
            if fixture.expected == "failed" { #expect(word == "refused" || word == "probably refused") }

            switch profile.dialect.readLookup(fixture.reply, of: try #require(RemoteTaskID("asked"))) {
            case .observed: Issue.record("the error is read as a record")
            case .notFound: #expect(code == "no_task" || code == "not_found")
            case .throttled: #expect(expected == "throttled")
            case .failed(let failure, _): #expect(code == nil || failure.code == code)
            }
        }
    }

    /// The expected word of each item. A note lists them if they differ.
    private func words(_ fixture: Fixture, count: Int) throws -> [String] {
        guard fixture.expected == "n/a" else { return Array(repeating: fixture.expected, count: count) }
        let list = try #require(fixture.note.split(separator: " (").first).dropFirst("items: ".count)
        return list.split(separator: ",").map { String($0) }
    }
}

/// The task id in a documented body, read without the code under test.
func ownID(_ json: JSONValue) -> RemoteTaskID? {
    let body = json["task"] ?? json
    let text = body["id"]?.string ?? body["task_id"]?.string ?? body["response"]?["task_id"]?.string
    return text.flatMap { RemoteTaskID($0) }
}
