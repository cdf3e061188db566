package import AsyncHTTPClient
package import NIOCore
import TaskModel
package import Text

/// Clients for downloads from hosts that are no provider's.
extension UpstreamHTTP.Connections {
    /// Whether requests to the URL go through a proxy, which then resolves the host.
    package func usesProxy(for url: String) -> Bool { proxies.proxy(for: url) != nil }

    /// A client for one download. Without a proxy it connects to the pinned address only. It follows no redirect.
    ///
    /// A proxy gets a tunnel also for `http://`.
    package func downloadClient(
        for url: String, pinning pin: (host: HostPort, address: IPAddress)?, silence: Duration,
        on group: any EventLoopGroup
    ) -> HTTPClient {
        let proxy = proxies.proxy(for: url)
        var configuration = UpstreamClients.configuration(
            proxy.map { .tunnel($0) } ?? .direct, isAlone: false, tls: trust.configuration,
            connectTimeout: connectTimeout)
        configuration.timeout.read = .milliseconds(silence.wholeMilliseconds)
        if proxy == nil, let pin { configuration.pin(pin.host, to: pin.address) }
        return HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }
}
