package import NIOCore

/// Limits of the public listener, which anyone on the internet can reach.
package struct CallbackLimits: Sendable {
    /// The largest body. Results in base64 take some MiB.
    package var maxBodyBytes = 8 << 20
    /// The bodies of all requests together, compressed and decoded. Above the limit, requests get 503. The local socket
    /// and provider replies have separate budgets, so none of the three blocks the others.
    package var maxBytesAtOnce = 16 << 20
    package var maxHeaderBytes = 16 << 10
    package var maxHeaders = 64
    /// Concurrent connections. Others wait in the kernel's queue.
    package var connections = 256
    /// Concurrent connections of one address. Others are closed.
    package var connectionsPerAddress = 32
    /// The maximum duration of a connection, so that slow clients cannot hold it. A connection serves one request.
    package var lifetime = TimeAmount.seconds(15)
    /// The request rate of one address, and the size of its bursts.
    package var requestsPerSecond = 20.0
    package var burst = 200.0
    /// The number of remembered addresses. All further addresses share one count.
    package var addresses = 4_096
    /// Whether loopback addresses are exempt. A local reverse proxy or tunnel forwards the requests of all clients.
    package var exemptsThisMachine = true

    package init() {}
}
