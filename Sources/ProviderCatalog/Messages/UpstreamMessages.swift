package import TaskModel

/// A request to a provider, ready to be sent but for its host and credentials.
package struct UpstreamRequest: Sendable, Hashable {
    /// `POST`, `GET` …
    package let method: String
    /// Below the provider's base URL, with a leading slash.
    package var path: String
    /// A whole address instead, which the provider named and its definition allows.
    package let url: String?
    /// Besides authorization, content type, accept and accept encoding, which the transport adds.
    package var headers: [String: String]
    /// JSON in UTF-8, unless ``contentType`` says otherwise; nil for none.
    package var body: [UInt8]?
    /// The media type of the body; nil for JSON.
    package var contentType: String?
    /// The base URL that it was made for. It is not sent to another. Nil allows any.
    package var baseURL: String?

    package init(
        method: String, path: String, url: String? = nil, headers: [String: String] = [:], body: [UInt8]? = nil
    ) {
        self.method = method
        self.path = path
        self.url = url
        self.headers = headers
        self.body = body
    }

    /// Throws if it was made for another base URL than the one in force.
    package func check(baseURL: String?) throws(UpstreamTransportError) {
        if let made = self.baseURL, made != baseURL { throw .outdated }
    }
}

/// A complete reply of a provider, with any status.
package struct UpstreamReply: Sendable, Hashable {
    /// The HTTP status.
    package let status: Int
    /// How long the provider asks us to stay away, from `Retry-After`: seconds, with fractions, or a date.
    package let retryAfter: Duration?
    /// The provider's clock when it answered, from `Date`, to the second.
    package let date: Timestamp?
    /// The header fields by their names in small letters; of repeated ones the first.
    package let headers: [String: String]
    /// The decoded body. If decoding failed, the body as received, and the headers still name its coding.
    package let body: [UInt8]
    /// The memory that is set aside for the body.
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

    /// The same reply with other headers and another body, as after decoding; its memory stays set aside.
    package func replacing(headers: [String: String], body: [UInt8]) -> UpstreamReply {
        var reply = UpstreamReply(
            status: status, retryAfter: retryAfter, date: date, headers: headers, body: body, room: room)
        reply.rejectsReplacedToken = rejectsReplacedToken
        return reply
    }
}

/// Memory that is set aside for a reply, and given back when the last copy of this value is gone.
///
/// All values are equal, because the memory is not part of the reply's content.
package struct ReplyRoom: Sendable, Hashable {
    private let reservation: (any Sendable)?

    /// Keeps the reservation, which gives its memory back when it is released.
    package init(_ reservation: (any Sendable)? = nil) { self.reservation = reservation }

    package static func == (left: ReplyRoom, right: ReplyRoom) -> Bool { true }
    package func hash(into hasher: inout Hasher) {}
}

/// Why there is no whole answer.
package enum UpstreamTransportError: Error, Sendable, Hashable {
    /// Not one byte of the request went out: no address, refused, TLS failed. Sending again is safe.
    case notSent(String)
    /// The request may have arrived: time-out, reset or broken reply. Sending it again could pay twice.
    case interrupted(String)
    /// The reply has more bytes than `upstream.max_reply_bytes` allows. The request arrived; asking again brings the same.
    case tooLarge(maxBytes: Int)
    /// Nothing was sent: a reload has moved the provider since the request was made.
    case outdated
    /// We stopped it ourselves while shutting down; as much in doubt as ``interrupted(_:)``.
    case cancelled
}

/// Carries one request and brings one answer; never sends a request a second time.
package protocol UpstreamTransport: Sendable {
    /// Sends the request once, with the credentials of that account, and waits for the whole answer.
    ///
    /// `isPaid` requests go out on a connection of their own, so that a stale one cannot put them in doubt.
    func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply

    /// Sets memory aside for the reply to a paid request, before that is begun; nil where there is none at the moment.
    ///
    /// The caller keeps it until the reply is recorded. A transport that does not bound its memory always has room; one that
    /// passes requests on asks the other one.
    func roomForPaidReply() -> ReplyRoom?
}
