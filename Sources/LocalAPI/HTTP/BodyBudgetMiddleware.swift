import BoundedMemory
import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore

/// Keeps the bodies of all requests together within a budget, from before they are read until they are answered.
///
/// A body whose length is told reserves all of it at once; of another each part is reserved as it comes. A request that
/// finds no room is answered 503. Long bodies leave room for short ones, so that a few uploads that stall do not keep others
/// from submitting. The lines of a bulk request are read as they come and are counted by ``BulkSubmission``.
struct BodyBudgetMiddleware: RouterMiddleware {
    let budget: ByteBudget

    /// What long bodies leave to short ones, in bytes.
    static let leftToShort = 8 << 20
    /// Bodies up to this size, in bytes, are short: nearly all are.
    static let short = 64 << 10

    func handle(
        _ request: Request, context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard request.hasBody, !request.mediaType.hasPrefix(MediaType.jsonLines) else {
            return try await next(request, context)
        }
        let length = request.contentLength
        // Said before the body is read, so that no client sends 20 MB for nothing.
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

    /// What a body of so many bytes must leave to others.
    static func spare(beside bytes: Int) -> Int { bytes > short ? leftToShort : 0 }
}

extension Request {
    /// The length that the client told.
    var contentLength: Int? { headers[.contentLength].flatMap { Int($0) } }

    fileprivate var hasBody: Bool { headers[.transferEncoding] != nil || contentLength ?? 0 > 0 }
}

/// A body that reserves room for each part before it is handed on.
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
    /// Too many bodies are under way.
    static let noRoom = Problem(
        .serviceUnavailable, ProblemCode.busy, title: "The daemon is busy",
        """
        The bodies of the requests under way take all the memory that is meant for them (\(LocalAPI.maxBodyBytesAtOnce >> 20) MiB), \
        so this one was not read and nothing of it was done. Send it again in a second.
        """)
}
