@testable import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

@Suite struct EndpointExamplesTests {
    private let catalog: ProviderCatalog

    init() throws {
        catalog = try ProviderCatalog.builtIn()
    }

    @Test
    func `every endpoint has a valid example, and every example has an endpoint`()
        throws
    {
        for profile in catalog.endpoints {
            let example = catalog.examples.example(of: profile.name)
            #expect(example?.isEmpty == false, "\(profile.name)")
            #expect(example.flatMap { profile.dialect.problem(with: $0) } == nil, "\(profile.name)")
            // The dialect adds these.
            #expect(example?["async"] == nil && example?["callback_url"] == nil)
        }
        #expect(catalog.examples.requests.keys.allSatisfy { catalog.endpoint($0) != nil })
    }

    @Test func `no synchronous endpoint is in the catalogue`() {
        #expect(catalog.examples.synchronous.count == 13)
        #expect(catalog.examples.synchronous.allSatisfy { catalog.endpoint($0) == nil })
    }

    @Test(arguments: [
        ("midjourney/imagine", EndpointKind.image), ("midjourney/videos", .video), ("midjourney/describe", .text),
        ("suno/audios", .audio), ("suno/lyrics", .text), ("suno/mp4", .video), ("suno/midi", .audio),
        ("fish/tts", .audio),
        ("kling/lip-sync", .video), ("openai/images/edits", .image), ("maestro/videos", .video),
        ("digital-human/voices", .audio), ("qrart/generate", .image), ("webextrator/extract", .text),
    ])
    func `an endpoint has the kind of its results`(name: String, kind: EndpointKind) throws {
        let profile = try #require(EndpointName(name).flatMap { catalog.endpoint($0) })
        #expect(profile.kind == kind)
    }

    @Test(arguments: [
        ("sync: {}", "sync"), ("examples: {a/b: nonsense}", "examples.a/b"), ("examples: {a/b: '{}'}", "examples.a/b"),
        ("examples: {ab: '{\"x\": 1}'}", "examples.ab"), ("synchronous: {a: ['b c']}", "synchronous.a"),
        ("synchronous: {a: b}", "synchronous.a"),
    ])
    func `an invalid examples file is refused with its field`(yaml: String, field: String) throws {
        let error = try #require(throws: CatalogError.self) { try EndpointExamples(file: "g.yaml", yaml: yaml) }
        guard case .badField(_, _, field, _) = error else {
            Issue.record("\(error.message)")
            return
        }
    }
}
