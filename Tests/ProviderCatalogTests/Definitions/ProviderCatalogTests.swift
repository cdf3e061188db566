@testable import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct ProviderCatalogTests {
    private let catalog: ProviderCatalog

    init() throws { catalog = try .builtIn() }

    private func dialect(_ name: String) throws -> InferredDialect {
        try #require(try endpoint(name).dialect as? InferredDialect)
    }

    private func endpoint(_ name: String) throws -> EndpointProfile {
        try #require(EndpointName(name).flatMap(catalog.endpoint))
    }

    @Test(arguments: [
        "midjourney/imagine", "midjourney/edits", "midjourney/videos", "suno/audios", "veo/videos", "sora/videos",
        "kling/videos", "kling/motion", "kling/lip-sync", "kling/talking-photo", "luma/videos", "flux/images",
    ])
    func `an endpoint with tracked tasks has a complete profile`(name: String) throws {
        let (profile, dialect) = (try endpoint(name), try dialect(name))
        #expect(profile.name.text == name)
        #expect(profile.provider == "xhuoapi")
        #expect(dialect.submitPath == "/\(name)")
        #expect(dialect.tasksPath == "/\(profile.name.service)/tasks")
        #expect(dialect.lookupKeys == ["id", "task_id"])
        #expect(profile.batchSize == 50)
        #expect(profile.listing != nil)
        #expect(try #require(profile.typicalDuration) <= #require(profile.upperDuration))
        #expect(profile.limits.maxInFlight != nil)
        #expect(!dialect.resultPlaces.isEmpty)
        #expect(!dialect.answersOnlyInline)
    }

    @Test func `the limits are the documented ones`() throws {
        #expect(try endpoint("veo/videos").limits == ServiceLimits(maxInFlight: 5, submitsPerSecond: 0.5))
        #expect(try endpoint("flux/images").limits == ServiceLimits(maxInFlight: 10, submitsPerSecond: 5))
        #expect(try endpoint("wan/videos").limits == ServiceLimits())
        let provider = try #require(catalog.provider("xhuoapi"))
        #expect(provider.baseURL == "https://api.xhuoapi.ai/v1")
        #expect(provider.maxRequestsPerSecond == 5)
        #expect(catalog.provider("other") == nil)
    }

    @Test func `exceptions from the general format are in the profiles`() throws {
        #expect(try dialect("maestro/videos").isAlwaysAsynchronous)
        #expect(try endpoint("maestro/videos").batching == nil)
        #expect(try dialect("digital-human/videos").lookupKeys == ["task_id"])
        #expect(try endpoint("digital-human/videos").listing == nil)
        #expect(try endpoint("suno/lyrics").submissionTimeout == .seconds(300))
        #expect(try dialect("openai/images/generations").submitPath == "/openai/images/generations")
        #expect(try dialect("openai/images/generations").tasksPath == "/openai/tasks")
        #expect(try endpoint("minimax/videos").listingTrust == .documented)
    }

    @Test func `endpoints are sorted and found by name`() throws {
        #expect(catalog.endpoints.map(\.name) == catalog.endpoints.map(\.name).sorted())
        #expect(catalog.endpoints.allSatisfy { catalog.endpoint($0.name)?.name == $0.name })
        #expect(try catalog.endpoint(#require(EndpointName("midjourney/paint"))) == nil)
    }

    @Test(arguments: [
        ("midjorney/imagine", "midjourney/imagine"), ("suno/audio", "suno/audios"), ("Veo/Video", "veo/videos"),
        ("kling/lipsync", "kling/lip-sync"), ("openai/images", "openai/images/edits"), ("flux/image", "flux/images"),
    ])
    func `a misspelt name finds the intended one`(text: String, meant: String) {
        #expect(catalog.nearest(to: text, limit: 3).first?.text == meant)
    }

    @Test func `a service name finds its endpoints, and a text unlike any name finds none`() {
        #expect(Set(catalog.nearest(to: "kling", limit: 9).map(\.service)) == ["kling"])
        #expect(catalog.nearest(to: "kling", limit: 2).count == 2)
        #expect(catalog.nearest(to: "qqqqqqqqqqqqqqqq", limit: 3) == [])
        #expect(catalog.nearest(to: "", limit: 3) == [])
        #expect(catalog.nearest(to: "suno/audios", limit: 0) == [])
        #expect(catalog.nearest(to: String(repeating: "a", count: 100_000), limit: 3) == [])
    }
}
