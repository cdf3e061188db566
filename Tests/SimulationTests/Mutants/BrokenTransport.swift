import ProviderCatalog
import VerbatimJSON

/// The wire with one of its promises broken.
struct BrokenTransport: UpstreamTransport {
    /// Which promise.
    enum Fault: Sendable {
        /// Sends a paid request again whose reply is lost, as HTTP clients like to do.
        case retries
        /// Takes a lost reply for a request that never left.
        case callsLostUnsent
        /// Confuses two records of one reply.
        case swapsRecords
    }

    let fault: Fault
    let base: any UpstreamTransport

    func roomForPaidReply() -> ReplyRoom? { base.roomForPaidReply() }

    func send(
        _ request: UpstreamRequest, to provider: String, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        do throws(UpstreamTransportError) {
            let reply = try await base.send(request, to: provider, isPaid: isPaid, timeout: timeout)
            guard case .swapsRecords = fault, let ids = Self.ids(in: request), ids.count > 1 else { return reply }
            let text = String(decoding: reply.body, as: UTF8.self)
                .replacing("\"\(ids[0])\"", with: "\"swapped\"").replacing("\"\(ids[1])\"", with: "\"\(ids[0])\"")
                .replacing("\"swapped\"", with: "\"\(ids[1])\"")
            return UpstreamReply(status: reply.status, retryAfter: reply.retryAfter, body: Array(text.utf8))
        } catch {
            guard isPaid, case .interrupted(let why) = error else { throw error }
            switch fault {
            case .retries: return try await base.send(request, to: provider, isPaid: true, timeout: timeout)
            case .callsLostUnsent: throw .notSent(why)
            case .swapsRecords: throw error
            }
        }
    }

    /// What a batch query asks about.
    private static func ids(in request: UpstreamRequest) -> [String]? {
        let body = try? JSONValue(parsing: request.body ?? [], limits: .lenient)
        return body?["ids"]?.array?.compactMap(\.string)
    }
}
