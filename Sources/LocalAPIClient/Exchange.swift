import AsyncHTTPClient
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
import LocalAPIContract
import NIOCore
import NIOHTTP1
import VerbatimJSON

/// Sends one request, reads its reply, and classifies errors.
struct Exchange {
    /// Limits the memory. A page of tasks with inline images is large.
    private static let maxBodyBytes = 256 << 20

    let http: HTTPClient
    let socketPath: String
    let timeout: Duration

    func send(
        _ method: HTTPMethod, _ target: String, body: JSONValue?
    ) async throws(LocalAPIClientError) -> (status: Int, json: JSONValue) {
        var request = try request(method, target)
        if let body {
            request.headers.add(name: "content-type", value: MediaType.json)
            request.body = .bytes(ByteBuffer(bytes: body.utf8))
        }
        let (status, bytes) = try await receive(request)
        return (status, try document(bytes, status: status))
    }

    /// Posts lines and passes on each line of the reply when it arrives. Returns the status and document of a
    /// rejection.
    func send(
        lines: [UInt8], to target: String, onLine: (JSONValue) throws -> Void
    ) async throws -> (status: Int, json: JSONValue)? {
        var request = try request(.POST, target)
        request.headers.add(name: "content-type", value: MediaType.jsonLines)
        request.body = .bytes(ByteBuffer(bytes: lines))
        let response: HTTPClientResponse
        do { response = try await http.execute(request, timeout: limit) } catch { throw meaning(of: error) }
        let status = Int(response.status.code)
        guard status == 200 else {
            let body: ByteBuffer
            do { body = try await response.body.collect(upTo: Self.maxBodyBytes) } catch { throw meaning(of: error) }
            return (status, try document(Array(body.readableBytesView), status: status))
        }
        var rest = ByteBuffer()
        var parts = response.body.makeAsyncIterator()
        while true {
            let part: ByteBuffer?
            do { part = try await parts.next() } catch { throw meaning(of: error) }
            guard var part else { break }
            rest.writeBuffer(&part)
            while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                let line = rest.readBytes(length: end - rest.readerIndex) ?? []
                rest.moveReaderIndex(forwardBy: 1)
                try onLine(try document(line, status: status))
            }
            guard rest.readableBytes <= Self.maxBodyBytes else {
                throw LocalAPIClientError.unreadable("A line is too long.")
            }
            rest.discardReadBytes()
        }
        return nil
    }

    /// Passes on each part of a file as it comes. Returns the status and document of a refusal.
    func receive(
        _ target: String, onPart: ([UInt8]) throws -> Void
    ) async throws -> (status: Int, json: JSONValue)? {
        let response: HTTPClientResponse
        do { response = try await http.execute(try request(.GET, target), timeout: limit) } catch {
            throw meaning(of: error)
        }
        let status = Int(response.status.code)
        var parts = response.body.makeAsyncIterator()
        var refusal: [UInt8] = []
        while true {
            let part: ByteBuffer?
            do { part = try await parts.next() } catch { throw meaning(of: error) }
            guard let part else { break }
            if status == 200 { try onPart(Array(part.readableBytesView)) } else { refusal += part.readableBytesView }
        }
        return status == 200 ? nil : (status, try document(refusal, status: status))
    }

    /// How a stream of events ended.
    enum StreamEnd {
        /// The daemon ended it.
        case ended
        /// The caller stopped it.
        case left
        case refused(status: Int, json: JSONValue)
    }

    /// Reads a stream of events and passes on each message when it arrives, until the closure returns false. The first
    /// call has nil, once the stream is open. Only the head of the response must arrive within the timeout.
    func follow(
        _ target: String, after id: String?, onMessage: (EventStreamParser.Message?) async throws -> Bool
    ) async throws -> StreamEnd {
        var request = try request(.GET, target)
        request.headers.replaceOrAdd(name: "accept", value: "\(MediaType.eventStream), \(MediaType.problem)")
        if let id { request.headers.add(name: HeaderName.lastEventID, value: id) }
        let response: HTTPClientResponse
        do { response = try await http.execute(request, timeout: limit) } catch { throw meaning(of: error) }
        guard response.status == .ok else {
            let body: ByteBuffer
            do { body = try await response.body.collect(upTo: Self.maxBodyBytes) } catch { throw meaning(of: error) }
            let status = Int(response.status.code)
            return .refused(status: status, json: try document(Array(body.readableBytesView), status: status))
        }
        guard try await onMessage(nil) else { return .left }
        var parser = EventStreamParser()
        var parts = response.body.makeAsyncIterator()
        while true {
            let part: ByteBuffer?
            do { part = try await parts.next() } catch { throw meaning(of: error) }
            guard let part else { return .ended }
            for message in parser.read(part) {
                guard try await onMessage(message) else { return .left }
            }
            guard parser.bufferedBytes <= Self.maxBodyBytes else {
                throw LocalAPIClientError.unreadable("An event is too long.")
            }
        }
    }

    private func request(_ method: HTTPMethod, _ target: String) throws(LocalAPIClientError) -> HTTPClientRequest {
        guard let url = URL(httpURLWithSocketPath: socketPath, uri: target) else {
            throw .noDaemon(socketPath: socketPath, reason: "the path cannot be made into a URL")
        }
        var request = HTTPClientRequest(url: url.absoluteString)
        request.method = method
        request.headers.add(name: "host", value: "pollux")
        request.headers.add(name: "accept", value: "\(MediaType.json), \(MediaType.problem)")
        return request
    }

    private func document(_ bytes: [UInt8], status: Int) throws(LocalAPIClientError) -> JSONValue {
        try Self.document(bytes, of: "status \(status)")
    }

    /// Parses a document of the daemon.
    static func document(_ bytes: [UInt8], of what: String = "an event") throws(LocalAPIClientError) -> JSONValue {
        var limits = JSONLimits.lenient
        limits.maxDepth += 8  // The envelope around a provider's own nesting.
        do throws(JSONSyntaxError) {
            return try JSONValue(parsing: bytes, limits: limits)
        } catch {
            throw .unreadable("\(what), \(bytes.count) bytes. \(error.message)")
        }
    }

    private var limit: TimeAmount { .milliseconds(Int64(timeout.components.seconds) * 1000) }

    private func receive(_ request: HTTPClientRequest) async throws(LocalAPIClientError) -> (Int, [UInt8]) {
        do {
            let response = try await http.execute(request, timeout: limit)
            let body = try await response.body.collect(upTo: Self.maxBodyBytes)
            return (Int(response.status.code), Array(body.readableBytesView))
        } catch {
            throw meaning(of: error)
        }
    }

    private func meaning(of error: any Error) -> LocalAPIClientError {
        if error is CancellationError { return .cancelled }
        if error is SocketAddressError {
            return .noDaemon(
                socketPath: socketPath, reason: "the path is longer than a socket's may be (about 100 bytes)")
        }
        if let error = error as? IOError, Self.provesNobodyListens.contains(error.errnoCode) {
            return .noDaemon(socketPath: socketPath, reason: Self.words(for: error.errnoCode))
        }
        return switch error as? HTTPClientError {
        case .cancelled?:
            .cancelled
        case .connectTimeout?, .getConnectionFromPoolTimeout?:
            .noDaemon(socketPath: socketPath, reason: "it does not accept the connection")
        case .remoteConnectionClosed?:
            .interrupted("it was closed")
        case .readTimeout?, .deadlineExceeded?:
            .interrupted("no reply arrived within \(timeout.components.seconds) s")
        case let error?:
            .interrupted(error.shortDescription)
        case nil:
            .interrupted((error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(type(of: error))")
        }
    }

    private static let provesNobodyListens = [ENOENT, ENOTDIR, ECONNREFUSED, EACCES, ENOTSOCK]

    private static func words(for code: CInt) -> String {
        switch code {
        case ENOENT, ENOTDIR: "there is no such socket"
        case EACCES: "this user may not open it"
        case ENOTSOCK: "that file is not a socket"
        default: "no process listens there"
        }
    }
}
