import TaskModel

/// Guesses the media type of a result from its address, the first bytes of inline data, or its member name.
///
/// It may be wrong: the file is not fetched, and some providers end every address in `.mp3`.
enum MediaTypeGuess {
    static func mediaType(of text: String, kind: TaskResult.Kind, name: String) -> String? {
        switch kind {
        case .url: byEnding[ending(of: text)] ?? byName(name)
        case .data: ofInlineData(text) ?? byName(name) ?? (name == "b64_json" ? "image/*" : nil)
        case .text: name == "markdown" ? "text/markdown" : name == "html" ? "text/html" : "text/plain"
        case .id: nil
        }
    }

    /// `image/*`, `video/*` … by the words in a name; nil if there are none.
    static func byName(_ name: String) -> String? {
        let name = name.lowercased()
        return names.first { name.contains($0.word) }?.type
    }

    /// The text after the last dot of the path, in lower case.
    private static func ending(of address: String) -> String {
        let path = address.prefix { $0 != "?" && $0 != "#" }
        let file = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        guard let dot = file.lastIndex(of: ".") else { return "" }
        return file[file.index(after: dot)...].lowercased()
    }

    private static func ofInlineData(_ text: String) -> String? {
        if text.hasPrefix("data:") {
            let type = text.dropFirst("data:".count).prefix { $0 != ";" && $0 != "," }
            return type.isEmpty ? nil : type.lowercased()
        }
        return firstLetters.first { text.hasPrefix($0.letters) }?.type
    }

    /// The first bytes of common formats, in base64.
    private static let firstLetters: [(letters: String, type: String)] = [
        ("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("SUQz", "audio/mpeg"),
        ("T2dnUw", "audio/ogg"), ("ZkxhQ", "audio/flac"), ("GkXfo", "video/webm"),
    ]

    /// The first match counts: a `video_cover_url` is an image.
    private static let names: [(word: String, type: String)] = [
        ("cover", "image/*"), ("thumbnail", "image/*"), ("frame", "image/*"), ("captions", "text/vtt"),
        ("subtitle", "text/*"), ("image", "image/*"), ("video", "video/*"), ("audio", "audio/*"), ("stems", "audio/*"),
        ("midi", "audio/midi"), ("voice", "audio/*"), ("tarball", "application/x-tar"),
    ]

    private static let byEnding = [
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
        "svg": "image/svg+xml", "avif": "image/avif", "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime",
        "webm": "video/webm", "mkv": "video/x-matroska", "m3u8": "application/vnd.apple.mpegurl", "mp3": "audio/mpeg",
        "wav": "audio/wav", "m4a": "audio/mp4", "aac": "audio/aac", "flac": "audio/flac", "ogg": "audio/ogg",
        "opus": "audio/ogg", "mid": "audio/midi", "midi": "audio/midi", "vtt": "text/vtt",
        "srt": "application/x-subrip",
        "txt": "text/plain", "md": "text/markdown", "html": "text/html", "json": "application/json",
        "pdf": "application/pdf", "zip": "application/zip", "tar": "application/x-tar", "gz": "application/gzip",
        "tgz": "application/gzip", "glb": "model/gltf-binary",
    ]
}
