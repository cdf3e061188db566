import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Serves the files of tasks, with ranges and with the faults of downloads. They need no token.
struct ResultRoutes: Sendable {
    let provider: SimulatedProvider
    let logger: Logger

    func add(to router: Router<SandboxContext>) {
        router.get("files/**") { request, context in try await reply(to: request, context) }
        router.head("files/**") { request, _ in reply(to: request, part: nil, ResultFile(path: request.uri.path)) }
    }

    /// Serves the file that the request's path names, for other routes with files.
    func reply(to request: Request, _ context: SandboxContext) async throws -> Response {
        if let expiry = ResultExpiry(query: request.uri.query), provider.now > expiry.end { return .expired }
        let (number, version, fault) = provider.receiveDownload(of: request.uri.path)
        if let fault {
            logger.info(
                "Fault injected into a download",
                metadata: ["download": "\(number)", "fault": "\(fault.kind.rawValue)"])
        }
        switch fault?.kind {
        case .resultBadGateway: return .badGateway
        case .resultForbidden: return .expired
        case .resultPage: return .page
        case .resultRedirect: return .redirectToPrivateAddress
        default: break
        }
        let file = ResultFile(path: request.uri.path, version: version)
        let part: Range<Int>?
        switch ByteRange(request.headers, of: file) {
        case .whole: part = nil
        case .part(let range): part = range
        case .unsatisfiable:
            return Response(
                status: .rangeNotSatisfiable, headers: [.contentRange: "bytes */\(file.bytes.count)"])
        }
        let whole = reply(to: request, part: part, file)
        let bytes = Array(part.map { file.bytes[$0] } ?? file.bytes[...])
        switch fault?.kind {
        case .resultCut:
            var random = SeededRandom(seed: provider.settings.seed, stream: "cut", number: number)
            return BrokenConnection.partOfReply(
                whole, body: bytes, count: Int(random.next() % UInt64(max(1, bytes.count))), channel: context.channel)
        case .resultShort:
            // The length is that of the half, unlike the digest.
            var headers = whole.headers
            headers[.contentLength] = nil
            return Response(
                status: whole.status, headers: headers,
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes.prefix(bytes.count / 2))))
        case .resultStall:
            let clock = provider.settings.clock
            let span = fault?.span ?? .zero
            return Response(
                status: whole.status, headers: whole.headers,
                body: ResponseBody(contentLength: bytes.count) { writer in
                    try await writer.write(ByteBuffer(bytes: bytes.prefix(bytes.count / 2)))
                    try await request.hold(for: span, on: clock)
                    throw ConnectionCut()
                })
        default: return whole
        }
    }

    /// The file, or a part of it.
    private func reply(to request: Request, part: Range<Int>?, _ file: ResultFile) -> Response {
        var headers: HTTPFields = [
            .contentType: file.mediaType, .acceptRanges: "bytes", .eTag: file.entityTag,
        ]
        // The digest is that of the whole file, also in a reply with a part of it (RFC 9530, section 3).
        if let name = HTTPField.Name("Repr-Digest") { headers[name] = file.digestField }
        if let part {
            headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(file.bytes.count)"
        }
        return Response(
            status: part == nil ? .ok : .partialContent, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: part.map { file.bytes[$0] } ?? file.bytes[...])))
    }
}

/// What `Range` and `If-Range` ask for (RFC 9110, sections 13.1.5 and 14.2). Several ranges count as none.
private enum ByteRange {
    case whole
    case part(Range<Int>)
    case unsatisfiable

    init(_ headers: HTTPFields, of file: ResultFile) {
        self = .whole
        guard let text = headers[.range], text.hasPrefix("bytes="),
            headers[.ifRange] ?? file.entityTag == file.entityTag
        else { return }
        let ends = text.dropFirst("bytes=".count).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int(ends[0]), first >= 0 else { return }
        let last = Int(ends[1]) ?? file.bytes.count - 1
        guard ends[1].isEmpty || Int(ends[1]) != nil, last >= first || ends[1].isEmpty else { return }
        self = first < file.bytes.count ? .part(first..<min(last + 1, file.bytes.count)) : .unsatisfiable
    }
}

extension Response {
    /// How a storage service rejects a presigned URL that has expired.
    fileprivate static var expired: Response {
        let text = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
        return Response(
            status: .forbidden, headers: [.contentType: "application/xml"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// A page in place of a file, with a status that says nothing about it.
    fileprivate static var page: Response {
        Response(
            status: .ok, headers: [.contentType: "text/html; charset=utf-8"],
            body: ResponseBody(
                byteBuffer: ByteBuffer(string: "<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n")))
    }

    /// A loopback address: private, and what is sent there stays on the machine.
    fileprivate static var redirectToPrivateAddress: Response {
        Response(status: .found, headers: [.location: "http://127.77.77.77:9/latest/meta-data/"])
    }
}
