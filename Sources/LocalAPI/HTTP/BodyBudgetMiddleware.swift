import BoundedMemory
import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore

/// Limits the memory of all request bodies, from before they are read until the reply.
///
/// A body of known length reserves it at once, any other one part by part. If there is no room, a request gets 503.
/// Long bodies leave room for short ones, so that a few stalled uploads do not block others. ``BulkSubmission`` counts
/// the lines of bulk requests itself.
struct BodyBudgetMiddleware: RouterMiddleware {
    let budget: ByteBudget

    /// The room that long bodies leave to short ones, in bytes.
    static let leftToShort = 8 << 20
    /// Bodies up to this size, in bytes, are short. Nearly all are.
    static let short = 64 << 10

    func handle(
        _ request: Request, context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard request.hasBody, !request.mediaType.hasPrefix(MediaType.jsonLines) else {
            return try await next(request, context)
        }
        let length = request.contentLength
        // Rejected before the body is read, so that a client does not send 20 MB for nothing.
        guard length ?? 0 <= LocalAPI.maxBodyBytes else { throw Problem.tooLarge }
        guard let room = budget.reserve(length ?? 0, leaving: Self.spare(beside: length ?? 0)) else {
            throw Problem.noRoom
        }
        defer { room.release() }
        guard length == nil else { return try await next(request, context) }
        var request = request
        request.body = RequestBody(asyncSequence: CountedBody(body: request.body, room: room))
        return try await next(request, context)
    }

    /// The room that a body of this size must leave to others.
    static func spare(beside bytes: Int) -> Int { bytes > short ? leftToShort : 0 }
}

extension Request {
    /// The Content-Length.
    var contentLength: Int? { headers[.contentLength].flatMap { Int($0) } }

    fileprivate var hasBody: Bool { headers[.transferEncoding] != nil || contentLength ?? 0 > 0 }
}

/// Reserves memory for each part of a body before it passes the part on.
private struct CountedBody: AsyncSequence, Sendable {
    let body: RequestBody
    let room: ByteBudget.Reservation

    struct AsyncIterator: AsyncIteratorProtocol {
        var body: RequestBody.AsyncIterator
        let room: ByteBudget.Reservation
        var count = 0

        mutating func next() async throws -> ByteBuffer? {
            guard let part = try await body.next(isolation: #isolation) else { return nil }
            count += part.readableBytes
            guard room.grow(by: part.readableBytes, leaving: BodyBudgetMiddleware.spare(beside: count)) else {
                throw Problem.noRoom
            }
            return part
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: body.makeAsyncIterator(), room: room) }
}

extension Problem {
    /// The bodies of other requests use all of the memory.
    static let noRoom = Problem(
        .serviceUnavailable, ProblemCode.busy, title: "The daemon is busy",
        """
        The bodies of other requests use all the memory that is reserved for them (\(LocalAPI.maxBodyBytesAtOnce >> 20) MiB), \
        so this one was not read and nothing was done. Send it again in a second.
        """)
}
