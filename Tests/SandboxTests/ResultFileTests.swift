import Foundation
import Testing

@testable import Sandbox

/// Tests that results are whole files of their kinds.
@Suite struct ResultFileTests {
    @Test(arguments: [
        ("/files/flux/a.png", "image/png", [0x89, 0x50, 0x4E, 0x47] as [UInt8]),
        ("/files/suno/a.mp3", "audio/mpeg", Array("ID3".utf8)),
        ("/files/stream", "audio/mpeg", Array("ID3".utf8)),
        ("/files/a.wav", "audio/wav", Array("RIFF".utf8)),
        ("/files/a.mid", "audio/midi", Array("MThd".utf8)),
        ("/files/veo/a.mp4", "video/mp4", [0, 0, 0, 32] + Array("ftypisom".utf8)),
        ("/openai/v1/videos/a/content", "video/mp4", [0, 0, 0, 32] + Array("ftypisom".utf8)),
        ("/google/v1beta/files/a:download", "video/mp4", [0, 0, 0, 32] + Array("ftypisom".utf8)),
        ("/files/a/captions.vtt", "text/vtt", Array("WEBVTT".utf8)),
        ("/files/a/project.tgz", "application/gzip", [0x1F, 0x8B]),
    ])
    func `a file is of the kind that its URL names`(path: String, type: String, beginning: [UInt8]) {
        let file = ResultFile(path: path)
        #expect(file.mediaType == type)
        #expect(file.bytes.starts(with: beginning))
    }

    @Test(arguments: ["png", "mp3", "wav", "mp4", "vtt"])
    func `a path has one file, and another version is another file`(ending: String) {
        let file = ResultFile(path: "/files/a.\(ending)")
        #expect(file.bytes == ResultFile(path: "/files/a.\(ending)").bytes)
        #expect(file.bytes != ResultFile(path: "/files/b.\(ending)").bytes)
        let changed = ResultFile(path: "/files/a.\(ending)", version: 1)
        #expect(file.bytes != changed.bytes)
        #expect(file.entityTag != changed.entityTag && file.digestField != changed.digestField)
    }

    @Test func `checksums are those of PNG, zlib and gzip`() {
        let text = Array("123456789".utf8)
        #expect(Checksum.crc32(text) == 0xCBF4_3926)
        #expect(Checksum.adler32(text) == 0x091E_01DE)
    }

    @Test func `every chunk of a picture has its length and checksum`() {
        var rest = ResultFile(path: "/files/a.png").bytes[8...]
        var names: [String] = []
        while rest.count >= 12 {
            let count = Int(rest.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
            let checked = Array(rest.dropFirst(4).prefix(count + 4))
            names.append(String(decoding: checked.prefix(4), as: UTF8.self))
            #expect(Array(rest.dropFirst(8 + count).prefix(4)) == .big(Checksum.crc32(checked)))
            rest = rest.dropFirst(12 + count)
        }
        #expect(names == ["IHDR", "IDAT", "IEND"])
        #expect(rest.isEmpty)
    }

    @Test func `the boxes of a clip fill the file, and its samples are where its table says`() throws {
        let bytes = ResultFile(path: "/files/a.mp4").bytes
        func number(at place: Int) -> Int { bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) } }
        var boxes: [String] = []
        var place = 0
        while place + 8 <= bytes.count {
            boxes.append(String(decoding: bytes[place + 4..<place + 8], as: UTF8.self))
            place += number(at: place)
        }
        #expect(boxes == ["ftyp", "moov", "mdat", "free"])
        #expect(place == bytes.count)
        let table = try #require(bytes.firstRange(of: Array("stco".utf8)))
        let sizes = try #require(bytes.firstRange(of: Array("stsz".utf8)))
        var start = number(at: table.upperBound + 8)
        for index in 0..<number(at: sizes.upperBound + 8) {
            let size = number(at: sizes.upperBound + 12 + 4 * index)
            #expect(number(at: start) == size - 4)
            // A picture of its own: every one can be sought.
            #expect(bytes[start + 4] == 0x65)
            start += size
        }
        // The last box has eight bytes.
        #expect(start == bytes.count - 16)
    }

    @Test func `no two of many clips are equal`() {
        // Two of these have the same colours.
        let clips = [413, 961].map { ResultFile(path: "/files/\($0).mp4").bytes }
        #expect(clips[0].dropLast(8) == clips[1].dropLast(8))
        #expect(clips[0] != clips[1])
    }
}
