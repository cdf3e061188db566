import HTTPTypes
package import Hummingbird
import HummingbirdCore
import NIOCore
import NIOHTTP1
import ServiceLifecycle

/// Runs a Hummingbird application that is idle while there are no requests.
///
/// `Application.run()` would renew the text of the `Date` header with a timer, which wakes an idle process every
/// second.
package struct HTTPService<Responder: HTTPResponder>: Service
where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
    private let application: Application<Responder>
    private let channels: ChannelBuilder
    private let inherited: CInt?
    private let date: DateHeader

    /// `channels` replaces the application's `server`. `inherited` is a listening socket that is served instead of opening
    /// the application's address. `now` returns the seconds since 1970 in UTC.
    package init(
        _ application: Application<Responder>, channels: ChannelBuilder, inherited: CInt? = nil,
        now: @escaping @Sendable () -> Int
    ) {
        self.application = application
        self.channels = channels
        self.inherited = inherited
        date = DateHeader(now: now)
    }

    /// Serves until shutdown begins, then until all requests in flight have their responses.
    package func run() async throws {
        let (application, date) = (application, date)
        let configuration = application.configuration
        let channel = try channels.build { (request, writer: consuming ResponseWriter, channel) in
            var response = try await Self.response(to: request, on: channel, from: application)
            response.headers[.date] = date.text
            if let name = configuration.serverName { response.headers[.server] = name }
            do {
                try await writer.write(response: response.head, body: response.body)
            } catch is HTTPParserError {
                // Without the error, the channel would write a second response.
                throw UnreadableBody()
            }
        }
        try await server(of: channel).run()
    }

    private func server(of channel: any ServerChildChannel) -> any Service {
        let (application, configuration) = (application, application.configuration)
        let server = ServerConfiguration(
            address: configuration.address, serverName: configuration.serverName, backlog: configuration.backlog,
            reuseAddress: configuration.reuseAddress,
            availableConnectionsDelegate: configuration.availableConnectionsDelegate)
        guard let inherited else {
            return channel.server(
                configuration: server, onServerRunning: { await application.onServerRunning($0) },
                eventLoopGroup: application.eventLoopGroup, logger: application.logger)
        }
        return channel.server(
            inheriting: inherited, configuration: server, eventLoopGroup: application.eventLoopGroup,
            logger: application.logger
        ) {
            await application.onServerRunning($0)
        }
    }

    private static func response(
        to request: Request, on channel: any Channel, from application: Application<Responder>
    ) async throws -> Response {
        let source = ApplicationRequestContextSource(channel: channel, logger: application.logger)
        do {
            // A child task frees its memory when it ends, before the response is written. The connection's task keeps its own
            // as long as the connection lasts.
            async let response = application.responder.respond(to: request, context: Responder.Context(source: source))
            return try await response
        } catch let error as HTTPParserError {
            throw error
        } catch {
            return Response(status: .internalServerError)
        }
    }
}

/// The body of a request ended early while its response was being written.
private struct UnreadableBody: Error {}
