import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The connection was cut on purpose; whatever would still be written goes nowhere.
struct ConnectionCut: Error {}

/// The ways in which a reply can break off.
enum BrokenConnection {
    /// Closes the connection before a byte of the reply; the client sees an orderly end of stream.
    static func close(_ channel: any Channel) async throws -> Response {
        try await channel.close()
        // Hummingbird writes no head to a closed channel, so this error reaches nobody.
        throw ConnectionCut()
    }

    /// A reply that promises a whole body, delivers half of it, and ends in a TCP reset.
    static func halfReply(_ response: Response, body: [UInt8], channel: any Channel) -> Response {
        var headers = response.headers
        headers[.contentLength] = nil
        let half = ByteBuffer(bytes: body.prefix(body.count / 2))
        return Response(
            status: response.status, headers: headers,
            body: ResponseBody(contentLength: body.count) { writer in
                try await writer.write(half)
                try await reset(channel)
                throw ConnectionCut()
            })
    }

    /// Closes at once with RST instead of FIN: a socket that lingers for no time at all does that.
    private static func reset(_ channel: any Channel) async throws {
        if let socket = channel as? any SocketOptionProvider {
            try await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        try await channel.close()
    }
}
