import Crypto
import Foundation

/// A file that a task has produced: a small picture, sound, clip or text, made from the path of its URL.
///
/// The same path gives the same bytes as long as its version is the same.
struct ResultFile: Sendable {
    let mediaType: String
    let bytes: [UInt8]

    /// `path` is the path of the URL, without the query. A greater `version` is another file at the same URL.
    init(path: String, version: Int = 0) {
        var random = SeededRandom(seed: 0, stream: path, number: version)
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        switch name.split(separator: ".").dropFirst().last.map(String.init) ?? Self.ending(of: name) {
        case "png": (mediaType, bytes) = ("image/png", PictureFile(using: &random).png)
        case "mp3": (mediaType, bytes) = ("audio/mpeg", SoundFile.silence(title: "\(name) \(version)"))
        case "wav": (mediaType, bytes) = ("audio/wav", SoundFile.tone(using: &random))
        case "mid": (mediaType, bytes) = ("audio/midi", SoundFile.note(using: &random))
        case "mp4": (mediaType, bytes) = ("video/mp4", ClipFile(using: &random).mp4)
        case "vtt":
            mediaType = "text/vtt"
            bytes = Array("WEBVTT\n\n00:00.000 --> 00:01.000\nMade by the sandbox, \(random.next() % 1000)\n".utf8)
        case "tgz":
            mediaType = "application/gzip"
            bytes = ArchiveFile.archive(name: "README.txt", text: "Made by the sandbox, \(random.next() % 1000)\n")
        default: (mediaType, bytes) = ("text/plain", Array("Made by the sandbox, \(random.next() % 1000)\n".utf8))
        }
    }

    /// The kind of a file whose name has no ending.
    private static func ending(of name: String) -> String {
        switch name {
        case "stream": "mp3"
        case "content",
            _ where name.hasSuffix(":download"):
            "mp4"
        default: ""
        }
    }

    /// A strong entity tag.
    var entityTag: String { "\"\(Data(digest.prefix(12)).base64EncodedString())\"" }

    /// The value of `Repr-Digest` (RFC 9530).
    var digestField: String { "sha-256=:\(Data(digest).base64EncodedString()):" }

    private var digest: [UInt8] { Array(SHA256.hash(data: bytes)) }
}

/// Writes big-endian numbers, as most containers need them.
extension [UInt8] {
    static func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        Swift.withUnsafeBytes(of: number.bigEndian, Array.init)
    }

    static func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        Swift.withUnsafeBytes(of: number.littleEndian, Array.init)
    }
}
