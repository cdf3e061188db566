package import TaskModel

/// A request to a provider, complete except for its host and credentials.
package struct UpstreamRequest: Sendable, Hashable {
    /// `POST`, `GET` …
    package let method: String
    /// The path below the provider's base URL, with a leading slash.
    package var path: String
    /// A full address instead, which the provider named and its definition allows.
    package let url: String?
    /// Header fields besides authorization, content type, accept and accept encoding, which the transport adds.
    package var headers: [String: String]
    /// JSON in UTF-8, unless ``contentType`` says otherwise; nil if there is none.
    package var body: [UInt8]?
    /// The media type of the body; nil for JSON.
    package var contentType: String?
    /// The base URL that it was made for; it is sent to no other. Nil allows any.
    package var baseURL: String?
    /// Whether it may still be sent; the transport asks right before the body, when the connection is open.
    package var permit = SendPermit()

    package init(
        method: String, path: String, url: String? = nil, headers: [String: String] = [:], body: [UInt8]? = nil
    ) {
        self.method = method
        self.path = path
        self.url = url
        self.headers = headers
        self.body = body
    }

    /// Throws if it was made for another base URL than the current one.
    package func check(baseURL: String?) throws(UpstreamTransportError) {
        if let made = self.baseURL, made != baseURL { throw .outdated }
    }
}

/// Says at the last moment whether a request may be sent.
///
/// Connecting takes seconds, and a stopped process stands still for any time. A permit that has ended meanwhile keeps the
/// request from being complete, so that the provider cannot have accepted it. All values are equal, because the permit is not
/// part of the request's content.
package struct SendPermit: Sendable, Hashable {
    private let isValid: @Sendable () -> Bool

    package init(_ isValid: @escaping @Sendable () -> Bool = { true }) { self.isValid = isValid }

    /// Throws ``UpstreamTransportError/leaseExpired`` if it has ended.
    package func check() throws(UpstreamTransportError) { if !isValid() { throw .leaseExpired } }

    package static func == (left: SendPermit, right: SendPermit) -> Bool { true }
    package func hash(into hasher: inout Hasher) {}
}

/// A complete reply of a provider, with any status.
package struct UpstreamReply: Sendable, Hashable {
    /// The HTTP status.
    package let status: Int
    /// How long the provider asks Pollux to wait, from `Retry-After`: seconds, with fractions, or a date.
    package let retryAfter: Duration?
    /// The provider's clock at the reply, from `Date`, to the second.
    package let date: Timestamp?
    /// The header fields by name in lower case; of repeated ones the first.
    package let headers: [String: String]
    /// The decoded body. If decoding failed, the body as received, and the headers still name its coding.
    package let body: [UInt8]
    /// The memory that is reserved for the body.
    package let room: ReplyRoom
    /// Whether the provider rejected a token that has been replaced since. The next request has the new one.
    package var rejectsReplacedToken = false

    package init(
        status: Int, retryAfter: Duration? = nil, date: Timestamp? = nil, headers: [String: String] = [:],
        body: [UInt8], room: ReplyRoom = ReplyRoom()
    ) {
        self.status = status
        self.retryAfter = retryAfter
        self.date = date
        self.headers = headers
        self.body = body
        self.room = room
    }

    /// The same reply with other headers and another body, as after decoding. Its memory stays reserved.
    package func replacing(headers: [String: String], body: [UInt8]) -> UpstreamReply {
        var reply = UpstreamReply(
            status: status, retryAfter: retryAfter, date: date, headers: headers, body: body, room: room)
        reply.rejectsReplacedToken = rejectsReplacedToken
        return reply
    }
}

/// Memory that is reserved for a reply. It is released with the last copy of this value.
///
/// All values are equal, because the memory is not part of the reply's content.
package struct ReplyRoom: Sendable, Hashable {
    private let reservation: (any Sendable)?

    /// Keeps the reservation. Its release frees the memory.
    package init(_ reservation: (any Sendable)? = nil) { self.reservation = reservation }

    package static func == (left: ReplyRoom, right: ReplyRoom) -> Bool { true }
    package func hash(into hasher: inout Hasher) {}
}

/// Why there is no complete reply.
package enum UpstreamTransportError: Error, Sendable, Hashable {
    /// No byte of the request was sent: no address, connection refused, TLS failed. Sending again is safe.
    case notSent(String)
    /// The request may have arrived: timeout, reset or broken reply. Sending it again could pay twice.
    case interrupted(String)
    /// The reply exceeds `upstream.max_reply_bytes`. The request arrived; another poll gets the same reply.
    case tooLarge(maxBytes: Int)
    /// Nothing was sent: a reload has moved the provider since the request was made.
    case outdated
    /// Nothing was sent, or the body of the request is missing: the lease of the account has expired. Another process may
    /// send its tasks now.
    case leaseExpired
    /// Pollux stopped it during its shutdown. The outcome is as unknown as with ``interrupted(_:)``.
    case cancelled
}

/// Sends one request and returns one reply. It never sends a request twice.
package protocol UpstreamTransport: Sendable {
    /// Sends the request once, with the credentials of that account, and waits for the complete reply.
    ///
    /// An `isPaid` request uses a new connection, because a stale one would make its outcome unknown.
    func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply

    /// Reserves memory for the reply to a paid request before it is sent; nil if there is none now.
    ///
    /// The caller keeps it until the reply is recorded. A transport without a memory limit always has room. One that
    /// wraps another transport asks that one.
    func roomForPaidReply() -> ReplyRoom?
}
