import TaskModel
import Testing

@testable import Artefacts

@Suite struct MediaSnifferTests {
    @Test(arguments: [
        ("#EXTM3U\n#EXT-X-VERSION:3\n", "application/vnd.apple.mpegurl", "m3u8"),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">", "application/dash+xml", "mpd"),
        ("<?xml version=\"1.0\"?>\n<MPD>", "application/dash+xml", "mpd"),
    ])
    func `a playlist is known by its first bytes, and is no page in place of a clip`(
        text: String, type: String, ending: String
    ) {
        #expect(MediaSniffer.mediaType(of: Array(text.utf8)) == type)
        #expect(MediaSniffer.ending(of: type) == ending)
        #expect(!MediaSniffer.isPage(type, inPlaceOf: "video/mp4"))
        #expect(Artefact.Object(sha256: "a", size: 1, mediaType: type, name: "a").isPlaylist)
    }

    @Test func `a long comment before a playlist of DASH does not make it a document`() {
        let text = "<?xml version=\"1.0\"?><!--\(String(repeating: "a", count: 600))-->"
        let bytes = Array(text.utf8.prefix(MediaSniffer.length))
        #expect(MediaSniffer.mediaType(of: bytes, said: "application/dash+xml") == "application/dash+xml")
        #expect(MediaSniffer.mediaType(of: bytes, said: "video/mp4") == "application/xml")
    }

    @Test(arguments: ["<!DOCTYPE html>", "  <html>", "{\"error\": 1}", "<?xml version=\"1.0\"?><Error>"])
    func `a page or document is none of the media`(text: String) throws {
        let type = try #require(MediaSniffer.mediaType(of: Array(text.utf8), said: nil))
        #expect(MediaSniffer.isPage(type, inPlaceOf: "video/mp4"))
        #expect(!Artefact.Object(sha256: "a", size: 1, mediaType: type, name: "a").isPlaylist)
    }
}
