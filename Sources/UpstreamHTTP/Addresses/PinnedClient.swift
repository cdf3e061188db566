package import AsyncHTTPClient
import NIOCore
package import Text

extension HTTPClient.Configuration {
    /// Connects requests for the host to this address, and to no other one. TLS still checks the name of the host.
    ///
    /// The host must stand in the URL as it does here, in lower case. If a connection has another address, its request is
    /// not sent.
    package mutating func pin(_ host: HostPort, to address: IPAddress) {
        dnsOverride[host.host] = address.description
        // Connections of HTTP/2 have no such initializer.
        httpVersion = .http1Only
        http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.makeCompletedFuture {
                guard channel.remoteAddress?.ipAddress.flatMap({ IPAddress($0) }) == address else {
                    channel.close(promise: nil)
                    throw ConnectedElsewhere()
                }
            }
        }
    }
}

/// A connection has another address than the one that was checked. Nothing was sent over it.
private struct ConnectedElsewhere: Error {}
