import ProviderCatalog
import Synchronization
import TaskModel
import TaskTesting
import VerbatimJSON

/// The wire with one of its promises broken.
struct BrokenTransport: UpstreamTransport {
    /// Which promise.
    enum Fault: Sendable {
        /// Sends a paid request again whose reply is lost, as HTTP clients like to do.
        case retries
        /// Takes a lost reply for a request that never left.
        case callsLostUnsent
        /// Takes a lost reply for the rejection of a token that was replaced.
        case callsLostRejected
        /// Sends a request to any address.
        case ignoresAddress
        /// Confuses two records of one reply.
        case swapsRecords
        /// Shows a reader nothing behind a page of fewer than twelve items, as if it were the last one.
        case endsAtShortPage
    }

    /// The header field that shows where a request was to go.
    static let formerAddress = "made-for"

    let fault: Fault
    let base: any UpstreamTransport
    private let shortPages = ShortPages()

    init(fault: Fault, base: any UpstreamTransport) {
        self.fault = fault
        self.base = base
    }

    func roomForPaidReply() -> ReplyRoom? { base.roomForPaidReply() }

    func send(
        _ request: UpstreamRequest, to provider: ProviderName, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        if case .ignoresAddress = fault, let made = request.baseURL {
            let freed = UpstreamRequest(
                method: request.method, path: request.path, url: request.url,
                headers: request.headers.merging([Self.formerAddress: made]) { $1 }, body: request.body)
            return try await base.send(freed, to: provider, isPaid: isPaid, timeout: timeout)
        }
        do throws(UpstreamTransportError) {
            let reply = try await base.send(request, to: provider, isPaid: isPaid, timeout: timeout)
            if case .endsAtShortPage = fault { return shortPages.cut(reply, to: request) }
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
            case .callsLostRejected:
                var reply = UpstreamReply.error("invalid_token", status: 401)
                reply.rejectsReplacedToken = true
                return reply
            case .ignoresAddress, .swapsRecords, .endsAtShortPage: throw error
            }
        }
    }

    /// What a batch query asks about.
    private static func ids(in request: UpstreamRequest) -> [String]? {
        let body = try? JSONValue(parsing: request.body ?? [], limits: .lenient)
        return body?["ids"]?.array?.compactMap(\.string)
    }
}

/// Ends each reading of a list behind its first short page: the next page shows only the overlap, the one after it nothing.
private final class ShortPages: Sendable {
    /// How many more items each reading may see; none for a reading that has not met a short page.
    private let left = Mutex<[String: Int]>([:])

    func cut(_ reply: UpstreamReply, to request: UpstreamRequest) -> UpstreamReply {
        let query = try? JSONValue(parsing: request.body ?? [], limits: .lenient)
        guard let from = query?["created_at_min"], let items = reply.items else { return reply }
        let reading = "\(request.path) \(from.text)"
        return left.withLock { left in
            guard query?["offset"]?.number?.double ?? 0 > 0, let most = left[reading] else {
                left[reading] = items.count < 12 ? 1 : nil
                return reply
            }
            left[reading] = 0
            return .items(Array(items.prefix(most)))
        }
    }
}

extension UpstreamReply {
    /// The records of a page; nil for any other reply.
    fileprivate var items: [JSONValue]? {
        status == 200 ? (try? JSONValue(parsing: body, limits: .lenient))?["items"]?.array : nil
    }
}
