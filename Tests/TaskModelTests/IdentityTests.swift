import Randomness
import TaskModel
import TaskTesting
import Testing

@Suite struct TaskIDTests {
    @Test(arguments: [UInt64(1), 7, 42])
    func `a new id has the layout of UUID version 7`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let id = TaskID(at: Timestamp(milliseconds: 0x0123_4567_89ab), using: &random).text
        let pattern = /01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/
        #expect(id.wholeMatch(of: pattern) != nil, "seed \(seed): \(id)")
        #expect(TaskID(id)?.text == id)
    }

    @Test func `ids sort by creation time`() {
        var random = SeededRandom(seed: 3)
        let ids = (0..<200).map { TaskID(at: Timestamp(milliseconds: 1_795_000_000_000 + $0), using: &random) }
        #expect(ids == ids.sorted())
        #expect(Set(ids).count == ids.count)
    }

    @Test func `ids of one millisecond differ`() {
        var random = SeededRandom(seed: 4)
        let ids = (0..<10_000).map { _ in TaskID(at: ManualTimeSource.start, using: &random) }
        #expect(Set(ids).count == ids.count)
    }

    @Test(arguments: [Int64.min, -1, 0, 0xffff_ffff_ffff, .max])
    func `a wrong clock still produces a valid id`(milliseconds: Int64) {
        var random = SeededRandom(seed: 5)
        let id = TaskID(at: Timestamp(milliseconds: milliseconds), using: &random)
        #expect(TaskID(id.text) == id)
    }

    @Test func `upper case is read as lower case`() {
        let text = "0199F2B0-1C2D-7ABC-8DEF-0123456789AB"
        #expect(TaskID(text)?.text == text.lowercased())
    }

    @Test(arguments: [
        "", "1", "0199f2b0-1c2d-7abc-8def-0123456789a", "0199f2b0-1c2d-7abc-8def-0123456789abc",
        "0199f2b01c2d7abc8def0123456789ab", "0199f2b0-1c2d-7abc-8def-0123456789ag",
        "0199f2b0_1c2d_7abc_8def_0123456789ab",
        "{0199f2b0-1c2d-7abc-8def-0123456789ab}", "0199f2b0-1c2d-7abc-8def-０１２３456789ab",
    ])
    func `invalid ids are rejected`(text: String) {
        #expect(TaskID(text) == nil)
    }

    @Test func `only prefixes of an id count as prefixes`() {
        let id = "0199f2b0-1c2d-7abc-8def-0123456789ab"
        for length in 1...36 { #expect(TaskID.isPrefix(String(id.prefix(length)))) }
        #expect(TaskID.isPrefix("0199F2B0-1C"))
        for text in ["", id + "0", "0199f2b01", "0199-", "xyz", "-0199", "%", "0199f2b0-1c2d-7abc-8def-0123456789ag"] {
            #expect(!TaskID.isPrefix(text), "\(text)")
        }
    }
}

@Suite struct EndpointNameTests {
    @Test func `a name has a service and an operation`() throws {
        let name = try #require(EndpointName("openai/images/generations"))
        #expect(name.service == "openai")
        #expect(name.operation == "images/generations")
        #expect(EndpointName("other:midjourney/imagine")?.service == "other:midjourney")
    }

    @Test(arguments: [
        "", "/", "midjourney", "midjourney/", "/imagine", "mid journey/imagine", "midjourney/imagine\n", "a/b?c", "ä/b",
        "a/b\u{0}", "a//b", "a/b/", "a/b//c",
    ])
    func `invalid endpoint names are rejected`(text: String) {
        #expect(EndpointName(text) == nil)
    }

    @Test func `a name has at most 128 bytes`() {
        #expect(EndpointName("a/" + String(repeating: "b", count: 126)) != nil)
        #expect(EndpointName("a/" + String(repeating: "b", count: 127)) == nil)
    }
}

@Suite struct RemoteTaskIDTests {
    @Test(arguments: ["1", "2030405060708090100", "task_01JH", "b8c1-…", "20068983-0cc9-4c6a-aeb6-9c6a3c668be0"])
    func `any visible text is a remote id, unchanged`(text: String) {
        #expect(RemoteTaskID(text)?.text == text)
    }

    @Test(arguments: ["", " ", "a b", "a\n", "\ta", "a\u{0}", "a\u{7f}"])
    func `texts that are empty or have spaces or control characters are no remote ids`(text: String) {
        #expect(RemoteTaskID(text) == nil)
    }

    @Test func `a remote id has at most 512 bytes`() {
        #expect(RemoteTaskID(String(repeating: "x", count: 512)) != nil)
        #expect(RemoteTaskID(String(repeating: "x", count: 513)) == nil)
    }
}

@Suite struct PageCursorTests {
    @Test(arguments: [Int64(1), 35, 36, 1_000_000, .max])
    func `a cursor is read back`(key: Int64) {
        #expect(PageCursor(text: PageCursor(key: key).text)?.key == key)
    }

    @Test(arguments: ["", "c", "1", "c0", "c-1", "c+1", "cz z", "c1y2p0ij32e8e8", "C1", "c1\u{0}"])
    func `an invalid cursor is rejected`(text: String) {
        #expect(PageCursor(text: text) == nil)
    }
}

@Suite struct NameTests {
    @Test(arguments: ["midjourney/imagine", "other:midjourney/imagine", "replicate:predictions", "openai/images/edits"])
    func `the service of an endpoint is a valid service name`(endpoint: String) throws {
        let service = try #require(EndpointName(endpoint)).service
        #expect(ServiceName(service.text) == service)
    }

    @Test(arguments: ["", "a/b", "a b", "ä", "a\n", "a\u{0}", String(repeating: "a", count: 129)])
    func `invalid service names are rejected`(text: String) {
        #expect(ServiceName(text) == nil)
    }

    @Test(arguments: ["", "P", "Päckchen", "2go", "-a", "a_b", "a:b", "a/b", "a ", String(repeating: "a", count: 33)])
    func `invalid names of providers and accounts are rejected`(text: String) {
        #expect(ProviderName(text) == nil)
        #expect(AccountName(text) == nil)
    }

    @Test func `the longest names are accepted`() {
        #expect(ServiceName(String(repeating: "a", count: 128)) != nil)
        #expect(ProviderName("a" + String(repeating: "-0", count: 15) + "z") != nil)
    }

    @Test func `the default account has a valid name, and the undefined provider has not`() {
        #expect(AccountName("default") == .default)
        #expect(ProviderName(ProviderName.undefined.text) == nil)
    }

    @Test func `names are sorted by their text`() {
        let services: [ServiceName] = ["video", "image", "fal:kling"]
        let providers: [ProviderName] = ["replicate", "fal"]
        #expect(services.sorted() == ["fal:kling", "image", "video"])
        #expect(providers.sorted() == ["fal", "replicate"])
    }
}
