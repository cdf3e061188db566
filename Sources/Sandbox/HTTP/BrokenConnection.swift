import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The connection was closed on purpose. Further writes are discarded.
struct ConnectionCut: Error {}

/// Breaks replies in different ways.
enum BrokenConnection {
    /// Closes the connection before the first byte of the reply. The client sees a normal end of stream.
    static func close(_ channel: any Channel) async throws -> Response {
        try await channel.close()
        // Hummingbird does not write to a closed channel, so the client never sees this error.
        throw ConnectionCut()
    }

    /// Announces the whole body, sends half of it, and ends with a TCP reset.
    static func halfReply(_ response: Response, body: [UInt8], channel: any Channel) -> Response {
        partOfReply(response, body: body, count: body.count / 2, channel: channel)
    }

    /// Announces the whole body, sends that many bytes of it, and ends with a TCP reset.
    static func partOfReply(_ response: Response, body: [UInt8], count: Int, channel: any Channel) -> Response {
        var headers = response.headers
        headers[.contentLength] = nil
        let part = ByteBuffer(bytes: body.prefix(count))
        return Response(
            status: response.status, headers: headers,
            body: ResponseBody(contentLength: body.count) { writer in
                try await writer.write(part)
                try await reset(channel)
                throw ConnectionCut()
            })
    }

    /// Closes with RST instead of FIN, by setting the linger time to zero.
    private static func reset(_ channel: any Channel) async throws {
        if let socket = channel as? any SocketOptionProvider {
            try await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        try await channel.close()
    }
}
