import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

@Suite struct ResultsTests {
    /// Successes without results, with the reason.
    private static let empty = [
        "generic__retrieve_success_finished_no_data.json": "its data is null",
        "xhuoapi__callback_success.json": "its image_url is the documentation's \"...\", which is no address",
    ]

    /// All records of successes in the examples, with their files.
    private static var successes: [(fixture: Fixture, record: JSONValue)] {
        Fixture.all.filter { $0.kind != "error" }.flatMap { fixture -> [(fixture: Fixture, record: JSONValue)] in
            if fixture.expected == "succeeded" {
                return (fixture.json["items"]?.array ?? [fixture.json]).map { (fixture: fixture, record: $0) }
            }
            // The note of a mixed batch has the word of each item.
            let words = fixture.note.split(separator: " ").dropFirst().first?.split(separator: ",") ?? []
            return zip(fixture.json["items"]?.array ?? [], words).filter { $1 == "succeeded" }
                .map { (fixture: fixture, record: $0.0) }
        }
    }

    @Test func `every documented success has results, except the listed ones`() throws {
        let files = Set(Self.successes.map(\.fixture.file))
        #expect(
            files.isSuperset(of: Fixture.all.filter { $0.expected == "succeeded" && $0.kind != "error" }.map(\.file)))
        #expect(files.isSuperset(of: Self.empty.keys))
        for (fixture, record) in Self.successes {
            let results = try fixture.profile.dialect.results(in: record)
            #expect(results.isEmpty == (Self.empty[fixture.file] != nil), "\(fixture.file)")
        }
    }

    @Test func `every pointer leads to its value, results are unique, and none is an input`() throws {
        for (fixture, record) in Self.successes {
            for profile in try [fixture.profile, Fixture.generalProfile] {
                let results = profile.dialect.results(in: record)
                let inputs = leaves(of: record["request"] ?? record["task"]?["request"] ?? .null)
                for result in results {
                    let there = record.values(at: result.pointer)
                    #expect(there.count == 1, "\(fixture.file) \(result.pointer)")
                    if result.value != .null { #expect(there == [result.value], "\(fixture.file)") }
                    #expect(!inputs.contains(there.first ?? .null), "\(fixture.file) \(result.pointer)")
                    #expect((result.sizeInBytes != nil) == (result.kind == .data))
                }
                #expect(Set(results.compactMap { record.value(at: $0.pointer) }).count == results.count)
            }
        }
    }

    @Test func `pending and failed records have no results`() throws {
        for fixture in Fixture.all where ["pending", "failed"].contains(fixture.expected) {
            for record in fixture.json["items"]?.array ?? [fixture.json] {
                #expect(try fixture.profile.dialect.results(in: record) == [], "\(fixture.file)")
                #expect(try Fixture.generalProfile.dialect.results(in: record) == [], "\(fixture.file)")
            }
        }
    }

    @Test(arguments: [
        ("suno__retrieve_success", "audio/mpeg /response/data/0/audio_url"),
        ("midjourney__retrieve_success", "image/png /response/image_url"),
        ("midjourney__describe_submit_reply_inline", "text/plain /descriptions/0"),
        ("midjourney__translate_submit_reply_inline", "text/plain /content"),
        ("suno__lyrics_submit_reply_inline", "text/plain /data/text"),
        ("suno__style_submit_reply_inline", "text/plain /data/upsampled_tags"),
        ("pixverse__character_submit_reply_inline", "- /data/asset_id"),
        ("minimax__retrieve_success", "video/mp4 /task/content/url"),
        ("digital-human__retrieve_success_flat", "video/mp4 /video_url"),
        ("seedream__retrieve_success_flat_object", "image/png /data/image_url"),
        ("maestro__retrieve_success_short", "video/mp4 /response/data/variants/0/output_url"),
        ("openai__images_edits_callback_success_b64", "image/png /data/data/0/b64_json"),
        ("luma__retrieve_success", "video/mp4 /response/video_url"),
        ("webextrator__submit_reply_inline", "text/markdown /data/markdown"),
    ])
    func `the first result is the main one`(file: String, expected: String) throws {
        let fixture = try #require(Fixture.all.first { $0.file == file + ".json" })
        let first = try #require(try fixture.profile.dialect.results(in: fixture.json).first)
        #expect("\(first.mediaType ?? "-") \(first.pointer)" == expected)
    }

    @Test func `echoed inputs are not results`() throws {
        let dreamina = try #require(Fixture.all.first { $0.file == "dreamina__submit_reply_inline.json" })
        #expect(
            try dreamina.profile.dialect.results(in: dreamina.json).map(\.pointer.description) == ["/data/video_url"])
        let page = try #require(Fixture.all.first { $0.file == "webextrator__submit_reply_inline.json" })
        #expect(try page.profile.dialect.results(in: page.json).map(\.kind) == [.text])
        let echoed: JSONValue = [
            "request": ["start": "https://x/in.png"], "finished_at": 1_784_362_571,
            "response": ["success": true, "image_url": "https://x/in.png", "video_url": "https://x/out.mp4"],
        ]
        #expect(try Fixture.generalProfile.dialect.results(in: echoed).map(\.value) == ["https://x/out.mp4"])
    }

    @Test func `a partial success has only the results of the successful parts`() throws {
        let record: JSONValue = [
            "finished_at": 1_784_362_571,
            "response": [
                "success": false,
                "data": [
                    ["state": "succeeded", "audio_url": "https://x/a.mp3"],
                    ["state": "failed", "audio_url": "https://x/broken.mp3"],
                    ["error": ["code": "forbidden", "message": "no"], "audio_url": "https://x/refused.mp3"],
                ],
            ],
        ]
        #expect(try Fixture.generalProfile.dialect.results(in: record).map(\.value) == ["https://x/a.mp3"])
    }

    @Test func `large inline data has only its size, small data also its value`() throws {
        let large = "iVBORw0KGgo" + String(repeating: "A", count: 40_000)
        let record: JSONValue = ["finished_at": 1_784_362_571, "response": ["data": [["b64_json": .string(large)]]]]
        let result = try #require(try Fixture.generalProfile.dialect.results(in: record).first)
        #expect(result.kind == .data && result.value == .null && result.mediaType == "image/png")
        #expect(result.sizeInBytes == large.utf8.count * 3 / 4)
        let small: JSONValue = [
            "finished_at": 1_784_362_571, "response": ["image_url": "data:image/webp;base64,aGVsbG8="],
        ]
        let inline = try #require(try Fixture.generalProfile.dialect.results(in: small).first)
        #expect(inline.kind == .data && inline.mediaType == "image/webp" && inline.sizeInBytes == 5)
        #expect(inline.value == small["response"]?["image_url"])
    }

    @Test func `repeated URLs, thumbnails and empty texts are not results`() throws {
        let record: JSONValue = [
            "finished_at": 1_784_362_571,
            "response": [
                "image_url": "https://x/1.png", "url": "https://x/1.png", "video_url": "",
                "thumbnail_url": "https://x/t.png",
                "status_url": "https://x/ask", "image_urls": ["https://x/2.png", "https://x/2.png", ""],
            ],
        ]
        let results = try Fixture.generalProfile.dialect.results(in: record)
        #expect(results.map(\.value) == ["https://x/1.png", "https://x/2.png"])
    }

    private func leaves(of value: JSONValue) -> Set<JSONValue> {
        switch value {
        case .string, .number: [value]
        case .array(let elements): elements.reduce(into: []) { $0.formUnion(leaves(of: $1)) }
        case .object(let object): object.members.reduce(into: []) { $0.formUnion(leaves(of: $1.value)) }
        case .null, .bool: []
        }
    }
}
