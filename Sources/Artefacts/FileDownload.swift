import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import ProviderCatalog
import TaskEngine
import TaskModel
import UpstreamHTTP

/// One request for a file, and what follows from its reply.
struct FileDownload {
    private let downloader: Downloader
    private let request: ArtefactRequest
    private let url: String
    private let credential: (name: String, value: String)?

    /// The speed below which a download is given up, measured over that time.
    private static let (slowest, slowestSpan) = (Int64(1_024), Duration.seconds(60))
    /// How much is written between two looks at the room on disk.
    private static let roomStep = Int64(16 << 20)

    init(
        _ downloader: Downloader, _ request: ArtefactRequest, url: String, credential: (name: String, value: String)?
    ) {
        self.downloader = downloader
        self.request = request
        self.url = url
        self.credential = credential
    }

    func run(_ client: HTTPClient) async throws(DownloadError) -> Downloader.Reply {
        var partial = downloader.take(request.id)
        // The rest of a file is asked for where its beginning came from.
        if partial?.url != request.url { partial = nil }
        let response: HTTPClientResponse
        do {
            response = try await client.execute(sending(partial), deadline: .now() + .hours(24))
        } catch {
            if let partial { downloader.keep(partial, of: request.id) }
            throw DownloadError(failure: failure(for: error), isUnreachable: !(error is CancellationError))
        }
        do throws(ArtefactFailure) {
            return try await read(response, partial)
        } catch {
            throw DownloadError(failure: error)
        }
    }

    private func sending(_ partial: Downloader.Partial?) -> HTTPClientRequest {
        var sending = HTTPClientRequest(url: url)
        sending.headers.add(name: "Accept", value: "*/*")
        sending.headers.add(name: "Accept-Encoding", value: "identity")
        sending.headers.add(name: "User-Agent", value: "pollux")
        if let credential { sending.headers.add(name: credential.name, value: credential.value) }
        if let partial, partial.draft.count > 0 {
            sending.headers.add(name: "Range", value: "bytes=\(partial.draft.count)-")
            sending.headers.add(name: "If-Range", value: partial.entityTag)
        }
        return sending
    }

    private func read(
        _ response: HTTPClientResponse, _ partial: Downloader.Partial?
    ) async throws(ArtefactFailure) -> Downloader.Reply {
        let status = Int(response.status.code)
        switch status {
        case 200: return .file(try await receive(response, into: try await newDraft(), total: length(of: response)))
        case 206:
            guard let partial, let range = ContentRange(response.headers), range.start == partial.draft.count,
                partial.total == nil || partial.total == range.total,
                response.headers.first(name: "etag") ?? partial.entityTag == partial.entityTag
            else { throw .later("The server sent another part of the file than was asked for.") }
            return .file(try await receive(response, into: partial.draft, total: range.total))
        case 416:
            guard let partial, ContentRange.size(in: response.headers) == partial.draft.count else {
                throw .later("The server has no more of the file, though it is not whole.")
            }
            return .file(try await finish(partial.draft, response, total: partial.draft.count))
        case 301, 302, 303, 307, 308:
            if let partial { downloader.keep(partial, of: request.id) }
            guard let location = response.headers.first(name: "location") else {
                throw .unfit("The server redirects to nowhere.")
            }
            return .redirect(location)
        case 401, 403, 404, 410: throw .expired("The server answered HTTP \(status).")
        case 408, 425, 429, 500...599:
            if let partial { downloader.keep(partial, of: request.id) }
            throw .later("The server answered HTTP \(status).", after: retryAfter(in: response.headers))
        default: throw .unfit("The server answered HTTP \(status).")
        }
    }

    private func newDraft() async throws(ArtefactFailure) -> ObjectDraft {
        try await downloader.files.onDisk { [files = downloader.files] () throws(ArtefactFailure) in try files.draft() }
    }

    private func length(of response: HTTPClientResponse) -> Int64? {
        response.headers.first(name: "content-length").flatMap { Int64($0) }
    }

    private func retryAfter(in headers: HTTPHeaders) -> Duration? {
        headers.first(name: "retry-after").flatMap { Int64($0) }.flatMap { $0 >= 0 ? .seconds(min($0, 86_400)) : nil }
    }

    // MARK: The contents

    private func receive(
        _ response: HTTPClientResponse, into draft: ObjectDraft, total: Int64?
    ) async throws(ArtefactFailure) -> Artefact.Object {
        if let coding = response.headers.first(name: "content-encoding"), coding.lowercased() != "identity" {
            throw .unfit("The server sent the file in the coding \(coding.prefix(40)), which was not asked for.")
        }
        try check(total ?? 0)
        try await checkRoom(for: (total ?? 0) - draft.count)
        do {
            try await write(response.body, into: draft)
        } catch let failure as ArtefactFailure {
            keep(draft, response, total: total)
            throw failure
        } catch {
            keep(draft, response, total: total)
            throw failure(for: error)
        }
        return try await finish(draft, response, total: total)
    }

    private func check(_ size: Int64) throws(ArtefactFailure) {
        guard size <= request.maxBytes else {
            throw .forbidden("The file is larger than artefacts.max_object allows (\(request.maxBytes) bytes).")
        }
    }

    private func checkRoom(for bytes: Int64) async throws(ArtefactFailure) {
        try await downloader.files.onDisk { [files = downloader.files] () throws(ArtefactFailure) in
            try files.checkRoom(for: bytes)
        }
    }

    private func write(_ body: HTTPClientResponse.Body, into draft: ObjectDraft) async throws {
        var (span, before) = (downloader.time.elapsed(), draft.count)
        var checkedAt = draft.count
        for try await part in body {
            try await downloader.files.onDisk { () throws(ArtefactFailure) in try draft.append(part) }
            downloader.files.passed(.duringDownload)
            try check(draft.count)
            if draft.count - checkedAt > Self.roomStep {
                checkedAt = draft.count
                try await checkRoom(for: 0)
            }
            let now = downloader.time.elapsed()
            guard now - span >= Self.slowestSpan else { continue }
            guard draft.count - before >= Self.slowest * 60 else {
                throw ArtefactFailure.later("The server sent less than 1 KiB a second for a minute.")
            }
            (span, before) = (now, draft.count)
        }
    }

    /// Keeps what came for the next attempt, if that can make sure that the rest belongs to it.
    private func keep(_ draft: ObjectDraft, _ response: HTTPClientResponse, total: Int64?) {
        guard let tag = response.headers.first(name: "etag"), tag.hasPrefix("\""), draft.count > 0 else { return }
        downloader.keep(
            Downloader.Partial(draft: draft, url: request.url, entityTag: tag, total: total), of: request.id)
    }

    private func finish(
        _ draft: ObjectDraft, _ response: HTTPClientResponse, total: Int64?
    ) async throws(ArtefactFailure) -> Artefact.Object {
        let size = draft.count
        guard size > 0 else { throw .unfit("The file is empty.") }
        if let total, total != size {
            keep(draft, response, total: total)
            throw .later("The file ended after \(size) of \(total) bytes.")
        }
        let said = response.headers.first(name: "content-type").map { field in
            field.prefix { $0 != ";" }.filter { !$0.isWhitespace }.lowercased()
        }
        let type = MediaSniffer.mediaType(of: draft.beginning, said: said) ?? "application/octet-stream"
        if let promised = request.promisedType, MediaSniffer.isPage(type, inPlaceOf: promised) {
            throw .unfit("The server sent \(type) in place of \(promised).")
        }
        let digests = DigestFields(response.headers, isWhole: response.status != .partialContent)
        let (files, base) = (downloader.files, request.name)
        return try await files.onDisk { () throws(ArtefactFailure) in
            let digest = draft.sha256
            let mismatch: String?
            do {
                mismatch = try digests.mismatch(sha256: digest) { body in try draft.read(body) }
            } catch {
                throw error as? ArtefactFailure ?? .later("The file cannot be read again.")
            }
            if let mismatch { throw .unfit("The file does not have the \(mismatch) that the server names.") }
            let sha256 = digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let name = "\(base).\(MediaSniffer.ending(of: type))"
            try files.keep(draft, as: sha256, name: name)
            return Artefact.Object(sha256: sha256, size: size, mediaType: type, name: name)
        }
    }

    private func failure(for error: any Error) -> ArtefactFailure {
        switch error {
        case is CancellationError: .cancelled
        case let error as HTTPClientError where error == .cancelled: .cancelled
        case let error as HTTPClientError where error == .readTimeout:
            .later("The server sent nothing for 30 seconds.")
        default: .later("The download failed: \(UpstreamTransportError.reason(for: error)).")
        }
    }
}

/// The part of a file that a reply contains, from `Content-Range` (RFC 9110, section 14.4).
struct ContentRange: Equatable {
    let start: Int64
    let end: Int64
    let total: Int64

    /// Nil if the field does not name the part and the size of the whole.
    init?(_ headers: HTTPHeaders) {
        guard let text = headers.first(name: "content-range"), text.hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        let ends = parts.first?.split(separator: "-", omittingEmptySubsequences: false) ?? []
        guard parts.count == 2, ends.count == 2, let start = Int64(ends[0]), let end = Int64(ends[1]),
            let total = Int64(parts[1]), 0 <= start, start <= end, end == total - 1
        else { return nil }
        (self.start, self.end, self.total) = (start, end, total)
    }

    /// The size of the whole file in a reply with status 416.
    static func size(in headers: HTTPHeaders) -> Int64? {
        headers.first(name: "content-range").flatMap { text in
            text.hasPrefix("bytes */") ? Int64(text.dropFirst("bytes */".count)) : nil
        }
    }
}
