import ContentCoding
import Crypto
import DashboardPage
import HTTPTypes
import Hummingbird
import NIOCore
import Text

/// PageFiles are the files of the page, which are in the binary.
struct PageFiles: Sendable {
    /// A file as it is sent.
    private struct File: Sendable {
        let mediaType: String
        let tag: String
        let bytes: ByteBuffer
        let compressed: ByteBuffer
    }

    private let files: [String: File]

    init() {
        var count = 0
        let all = UnsafeBufferPointer(start: pollux_page_files(&count), count: count)
        files = Dictionary(
            uniqueKeysWithValues: all.map { file in
                let bytes = Array(UnsafeBufferPointer(start: file.start, count: file.count))
                let name = String(cString: file.name)
                return (
                    name,
                    File(
                        mediaType: Self.mediaType(of: name),
                        tag: Array(SHA256.hash(data: bytes).prefix(12)).base64URL,
                        bytes: ByteBuffer(bytes: bytes), compressed: ByteBuffer(bytes: ContentCoding.gzip(bytes)))
                )
            })
    }

    /// The names of all files.
    var names: [String] { files.keys.sorted() }

    /// The size of all files as browsers fetch them, in bytes.
    var compressedSize: Int { files.values.reduce(0) { $0 + $1.compressed.readableBytes } }

    /// The file with that name, or the word that the browser has it; nil if there is none.
    func response(_ name: String, to request: Request) -> Response? {
        guard let file = files[name] else { return nil }
        let isCompressed = request.takesGzip
        // The plain and the compressed file have different tags (RFC 9110, section 8.8.3).
        let tag = "\"\(file.tag)\(isCompressed ? "-gzip" : "")\""
        var headers: HTTPFields = [
            .contentType: file.mediaType, .eTag: tag, .cacheControl: "no-cache", .vary: "Accept-Encoding",
        ]
        let known = request.headers[values: .ifNoneMatch].flatMap { $0.split(separator: ",") }
        if known.contains(where: { $0.filter { $0 != " " } == tag }) {
            return Response(status: .notModified, headers: headers)
        }
        if isCompressed { headers[.contentEncoding] = "gzip" }
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody(byteBuffer: isCompressed ? file.compressed : file.bytes))
    }

    private static func mediaType(of name: String) -> String {
        switch name.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "svg": "image/svg+xml"
        default: "application/octet-stream"
        }
    }
}

extension Request {
    /// Whether the client accepts gzip (RFC 9110, section 12.5.3).
    fileprivate var takesGzip: Bool {
        headers[values: .acceptEncoding].flatMap { $0.split(separator: ",") }.contains { coding in
            let parts = coding.lowercased().split(separator: ";").map { $0.filter { !$0.isWhitespace } }
            return parts.first == "gzip" && !parts.dropFirst().contains { Double($0.dropFirst(2)) == 0 }
        }
    }
}
