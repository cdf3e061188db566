import Foundation
import HTTPTypes
import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

@testable import Sandbox

/// Reads the sandbox's replies with the daemon's bundled definitions.
///
/// The two share no code, so each tests the other.
@Suite struct CatalogReadingTests {
    static let profiles: [EndpointProfile] = {
        let catalog = try? ProviderCatalog.builtIn()
        return catalog?.endpoints.filter { $0.provider.text == "xhuoapi" } ?? []
    }()

    @Test func `the sandbox simulates exactly the endpoints of the catalogue`() throws {
        #expect(Set(Self.profiles.map(\.name.text)) == Set(ServiceTable.operations.map(\.endpoint)))
    }

    @Test func `the sandbox accepts the example request of every endpoint`() throws {
        let examples = try ProviderCatalog.builtIn().examples
        let provider = SimulatedProvider.provider()
        for profile in Self.profiles {
            let example = try #require(examples.example(of: profile.name), "\(profile.name.text)")
            let body = try Sandbox.JSONParser.parse(Array(VerbatimJSON.JSONValue.object(example).utf8))
            #expect(throws: Never.self, "\(profile.name.text)") {
                try provider.submit(.named(profile.name.text), body: body, token: "token")
            }
        }
    }

    @Test(arguments: profiles.filter { !$0.dialect.answersOnlyInline }.map(\.name.text))
    func `every look-up is pending until the end and then has the outcome`(endpoint: String) throws {
        let profile = try profile(endpoint)
        for style in [nil] + (try shape(of: profile).failureStyles.map(Optional.some)) {
            for seed in 1...4 as ClosedRange<UInt64> {
                let prompt = style.map { "[seconds=100][fail:\($0.rawValue)]" } ?? "[seconds=100]"
                let task = try SimulatedTask.task(profile.name.text, prompt: prompt, seed: seed)
                for second in [0, 1, 11, 35, 61, 85, 99.9] {
                    let verdict = try alone(task, at: second, profile)
                    #expect(verdict == .pending, "\(second) s: \(task.lookup(at: .start + second).document.text)")
                    #expect(try listed(task, at: second, profile) == .pending, "\(second) s")
                }
                for verdict in [try alone(task, at: 101, profile), try listed(task, at: 101, profile)] {
                    let told = Comment(rawValue: task.lookup(at: .start + 101).document.text)
                    switch verdict {
                    case .succeeded(let partial): #expect(style == nil && !partial, told)
                    case .failed(let failure):
                        #expect(style != nil, told)
                        #expect(!failure.message.isEmpty, told)
                    case .pending, nil: Issue.record(told)
                    }
                }
            }
        }
    }

    @Test(arguments: profiles.map(\.name.text))
    func `every success has results, and none repeats the request`(endpoint: String) throws {
        let profile = try profile(endpoint)
        let task = try SimulatedTask.task(
            profile.name.text,
            fields: [
                "image_url": "https://example.com/face.png", "audio_url": "https://example.com/voice.mp3",
                "url": "https://example.com/article",
            ])
        let document =
            profile.dialect.answersOnlyInline ? task.inlineReply.document : task.lookup(at: .start + 101).document
        let reply = UpstreamReply(status: 200, body: document.utf8Text)
        let seen: Observation
        if profile.dialect.answersOnlyInline {
            guard case .answered(let observation, _) = profile.dialect.readSubmission(reply) else {
                Issue.record("\(profile.dialect.readSubmission(reply))")
                return
            }
            seen = observation
        } else {
            guard case .observed(let observation) = profile.dialect.readLookup(reply, of: try id(of: task)) else {
                Issue.record("\(profile.dialect.readLookup(reply, of: try id(of: task)))")
                return
            }
            seen = observation
        }
        let results = seen.results
        #expect(results == profile.dialect.results(in: seen.record))
        #expect(!results.isEmpty, Comment(rawValue: document.text))
        #expect(!results.contains { "\($0.value)".contains("example.com") }, "\(results)")
        for result in results where result.kind == .url {
            #expect(result.value.string?.hasPrefix("http://sandbox.invalid/files/") == true, "\(result)")
        }
    }

    @Test(arguments: profiles.filter { !$0.dialect.answersOnlyInline }.map(\.name.text))
    func `an accept reply is read as accepted and an inline reply as the outcome`(endpoint: String) throws {
        let profile = try profile(endpoint)
        let task = try SimulatedTask.task(profile.name.text)
        let accepted = UpstreamReply(status: task.operation.acceptReply.status.code, body: task.acceptReply.utf8Text)
        guard case .accepted(let id, _, _) = profile.dialect.readSubmission(accepted) else {
            Issue.record("\(profile.dialect.readSubmission(accepted))")
            return
        }
        #expect(id == (try self.id(of: task)))
        guard task.operation.delivery == .asAsked else { return }
        let inline = UpstreamReply(status: 200, body: task.inlineReply.document.utf8Text)
        guard case .answered(let observation, _) = profile.dialect.readSubmission(inline) else {
            Issue.record("\(profile.dialect.readSubmission(inline))")
            return
        }
        #expect(observation.verdict == .succeeded(partial: false))
    }

    @Test(arguments: profiles.filter { !$0.dialect.answersOnlyInline }.map(\.name.text))
    func `a callback is read as the true outcome`(endpoint: String) throws {
        let profile = try profile(endpoint)
        for fails in [false, true] {
            let task = try SimulatedTask.task(
                profile.name.text, prompt: fails ? "[seconds=100][fail]" : "[seconds=100]")
            let document = try VerbatimJSON.JSONValue(parsing: task.finalCallbackBody.utf8Text)
            let (id, observation) = try #require(profile.dialect.readCallback(document))
            let own = try self.id(of: task)
            #expect(id == nil || id == own)
            switch observation.verdict {
            case .succeeded: #expect(!fails, Comment(rawValue: task.finalCallbackBody.text))
            case .failed: #expect(fails, Comment(rawValue: task.finalCallbackBody.text))
            case .pending: Issue.record(Comment(rawValue: task.finalCallbackBody.text))
            }
        }
    }

    // MARK: Reading

    private func profile(_ endpoint: String) throws -> EndpointProfile {
        try #require(Self.profiles.first { $0.name.text == endpoint })
    }

    private func shape(of profile: EndpointProfile) throws -> any ResponseShape {
        try SimulatedOperation.named(profile.name.text).shape
    }

    private func id(of task: SimulatedTask) throws -> RemoteTaskID {
        try #require(RemoteTaskID(task.identity.taskID))
    }

    private func alone(
        _ task: SimulatedTask, at second: Double, _ profile: EndpointProfile
    ) throws -> Observation.Verdict? {
        let (status, document) = task.lookup(at: .start + second)
        let reply = UpstreamReply(status: status.code, body: document.utf8Text)
        switch profile.dialect.readLookup(reply, of: try id(of: task)) {
        case .observed(let observation): return observation.verdict
        case let other:
            Issue.record("\(other)")
            return nil
        }
    }

    /// The record in a list; for services without lists, a second single look-up.
    private func listed(
        _ task: SimulatedTask, at second: Double, _ profile: EndpointProfile
    ) throws -> Observation.Verdict? {
        guard let batching = profile.batching else { return try alone(task, at: second, profile) }
        let document: Sandbox.JSONValue = ["items": [task.record(at: .start + second)], "count": 1]
        let id = try id(of: task)
        guard
            case .observed(let found) = batching.read(UpstreamReply(status: 200, body: document.utf8Text), of: [id])
        else { return nil }
        return found[id]?.verdict
    }
}
