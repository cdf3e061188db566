/// What a file is, by its first bytes. Names and header fields may say anything.
enum MediaSniffer {
    /// How many bytes are looked at.
    static let length = 512

    /// The media type; nil if neither the bytes nor the server show one.
    ///
    /// What the server says counts only for what the bytes leave open.
    static func mediaType(of bytes: [UInt8], said: String?) -> String? {
        let type = mediaType(of: bytes)
        return type == "application/xml" && said == "application/dash+xml" ? said : type ?? said
    }

    /// The media type; nil if the bytes show none that is known.
    static func mediaType(of bytes: [UInt8]) -> String? {
        if let type = signatures.first(where: { signature in
            signature.parts.allSatisfy { part in
                bytes.count >= part.place + part.bytes.count
                    && bytes[part.place..<part.place + part.bytes.count].elementsEqual(part.bytes)
            }
        })?.type {
            return type
        }
        return textType(of: bytes)
    }

    /// The ending of a file of that type; `bin` for one that is not on the list.
    static func ending(of mediaType: String) -> String { endings[mediaType] ?? "bin" }

    /// Whether the type is a page or a document in place of a file of the promised type.
    static func isPage(_ type: String, inPlaceOf promised: String) -> Bool {
        let isMedia = ["image/", "audio/", "video/"].contains { promised.hasPrefix($0) }
        return isMedia && promised != "image/svg+xml"
            && ["text/html", "application/json", "application/xml", "text/xml"].contains(type)
    }

    private static func textType(of bytes: [UInt8]) -> String? {
        let text = String(decoding: bytes.prefix(length), as: UTF8.self).lowercased()
            .drop { $0.isWhitespace || $0 == "\u{FEFF}" }
        if text.hasPrefix("#extm3u") { return "application/vnd.apple.mpegurl" }
        if text.hasPrefix("webvtt") { return "text/vtt" }
        if text.hasPrefix("<mpd") || text.hasPrefix("<?xml") && text.contains("<mpd") { return "application/dash+xml" }
        if text.hasPrefix("<svg") || text.hasPrefix("<?xml") && text.contains("<svg") { return "image/svg+xml" }
        if ["<!doctype html", "<html", "<head", "<body"].contains(where: { text.hasPrefix($0) }) { return "text/html" }
        if text.hasPrefix("<?xml") || text.hasPrefix("<error") { return "application/xml" }
        if text.first == "{" || text.first == "[" { return "application/json" }
        return nil
    }

    private struct Signature {
        let type: String
        let parts: [(place: Int, bytes: [UInt8])]

        init(_ type: String, _ bytes: [UInt8], at place: Int = 0, and more: (place: Int, bytes: [UInt8])? = nil) {
            self.type = type
            parts = [(place: place, bytes: bytes)] + (more.map { [$0] } ?? [])
        }
    }

    private static let signatures: [Signature] = [
        Signature("image/png", [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]),
        Signature("image/jpeg", [0xFF, 0xD8, 0xFF]),
        Signature("image/gif", Array("GIF8".utf8)),
        Signature("image/webp", Array("RIFF".utf8), and: (8, Array("WEBP".utf8))),
        Signature("audio/wav", Array("RIFF".utf8), and: (8, Array("WAVE".utf8))),
        Signature("video/x-msvideo", Array("RIFF".utf8), and: (8, Array("AVI ".utf8))),
        Signature("image/avif", Array("ftypavif".utf8), at: 4),
        Signature("image/heic", Array("ftypheic".utf8), at: 4),
        Signature("audio/mp4", Array("ftypM4A".utf8), at: 4),
        Signature("video/quicktime", Array("ftypqt".utf8), at: 4),
        Signature("video/mp4", Array("ftyp".utf8), at: 4),
        Signature("video/webm", [0x1A, 0x45, 0xDF, 0xA3]),
        Signature("audio/mpeg", Array("ID3".utf8)),
        Signature("audio/aac", [0xFF, 0xF1]), Signature("audio/aac", [0xFF, 0xF9]),
        Signature("audio/mpeg", [0xFF, 0xFB]), Signature("audio/mpeg", [0xFF, 0xFA]),
        Signature("audio/mpeg", [0xFF, 0xF3]), Signature("audio/mpeg", [0xFF, 0xF2]),
        Signature("audio/flac", Array("fLaC".utf8)),
        Signature("audio/ogg", Array("OggS".utf8)),
        Signature("audio/midi", Array("MThd".utf8)),
        Signature("application/pdf", Array("%PDF-".utf8)),
        Signature("application/zip", [0x50, 0x4B, 0x03, 0x04]),
        Signature("application/gzip", [0x1F, 0x8B]),
        Signature("model/gltf-binary", Array("glTF".utf8)),
    ]

    /// The types of which a file may have its own ending.
    private static let endings = [
        "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/avif": "avif",
        "image/heic": "heic", "audio/wav": "wav", "audio/mp4": "m4a", "audio/mpeg": "mp3", "audio/aac": "aac",
        "audio/flac": "flac", "audio/ogg": "ogg", "audio/midi": "mid", "video/mp4": "mp4", "video/quicktime": "mov",
        "video/webm": "webm", "video/x-msvideo": "avi", "application/pdf": "pdf", "application/zip": "zip",
        "application/gzip": "gz", "model/gltf-binary": "glb", "text/vtt": "vtt", "application/json": "json",
        "application/vnd.apple.mpegurl": "m3u8", "application/dash+xml": "mpd", "text/plain": "txt",
        "text/markdown": "md", "application/x-subrip": "srt",
    ]
}
