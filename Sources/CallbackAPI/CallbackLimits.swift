package import NIOCore

/// What bounds the public listener, which anybody on the internet may talk to.
package struct CallbackLimits: Sendable {
    /// The largest body; results in base64 have some MiB.
    package var maxBodyBytes = 8 << 20
    /// Bodies of all requests together, compressed and not; beyond that a request is asked to come again. Apart from what
    /// the socket and the provider's replies may take, so that none of the three starves another.
    package var maxBytesAtOnce = 16 << 20
    package var maxHeaderBytes = 16 << 10
    package var maxHeaders = 64
    /// Connections at once; more wait in the kernel's queue.
    package var connections = 256
    /// Connections of one address at once; more are closed.
    package var connectionsPerAddress = 32
    /// A connection is over after that time, whatever it is doing: slow and half requests hold nothing for longer. (It
    /// ends with the answer.)
    package var lifetime = TimeAmount.seconds(15)
    /// Requests of one address per second, and how many may come together.
    package var requestsPerSecond = 20.0
    package var burst = 200.0
    /// Addresses that are kept in mind; beyond that the whole internet shares one count.
    package var addresses = 4_096
    /// Whether a reverse proxy or tunnel on this machine is not counted as one address: it carries everybody's requests.
    package var exemptsThisMachine = true

    package init() {}
}
