package import HummingbirdCore

/// ChannelBuilder makes the channel that handles each connection of a server.
///
/// Hummingbird's `HTTPServerBuilder` does not give its channel away, so it cannot serve a socket that is open already.
package struct ChannelBuilder: Sendable {
    package typealias Build =
        @Sendable (@escaping HTTPChannelHandler.Responder) throws -> any ServerChildChannel

    let build: Build

    package init(_ build: @escaping Build) {
        self.build = build
    }

    /// The same for an application that runs without ``HTTPService``.
    package var server: HTTPServerBuilder { HTTPServerBuilder(build) }
}
