import ProviderCatalog
import Synchronization
import TaskModel
import TaskTesting
import VerbatimJSON

/// The transport with one defect.
struct BrokenTransport: UpstreamTransport {
    /// The defect.
    enum Fault: Sendable {
        /// Repeats a paid request whose reply is lost, like a retrying HTTP client.
        case retries
        /// Treats a lost reply as an unsent request.
        case callsLostUnsent
        /// Treats a lost reply as the rejection of a replaced token.
        case callsLostRejected
        /// Sends a request to any base URL.
        case ignoresAddress
        /// Swaps two records of one reply.
        case swapsRecords
        /// Ends a list after a page of fewer than twelve items.
        case endsAtShortPage
        /// Polls every task with the credentials of one account.
        case asksWithFirstAccount
        /// Sends a task again with another account than before.
        case resendsByOtherAccount
        /// Sends paid requests without a last look at the lease.
        case ignoresPermits
        /// Sends the queries of a comparison as paid requests.
        case paysForLists
    }

    /// The header field with the base URL that a request was made for.
    static let formerAddress = "made-for"

    let fault: Fault
    let base: any UpstreamTransport
    private let shortPages = ShortPages()
    private let sentIDs = SentIDs()

    init(fault: Fault, base: any UpstreamTransport) {
        self.fault = fault
        self.base = base
    }

    func roomForPaidReply() -> ReplyRoom? { base.roomForPaidReply() }

    func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        var (account, request) = (account, request)
        if case .ignoresPermits = fault { request.permit = SendPermit() }
        if case .asksWithFirstAccount = fault, !isPaid {
            account = ProviderAccount(provider: account.provider, account: AccountName(stored: "first"))
        }
        if case .resendsByOtherAccount = fault, isPaid, sentIDs.isRepeated(request) {
            let other: AccountName = account.account == "first" ? "second" : "first"
            // The rejection of a dead account would pause the account that seems to have sent it.
            let isDead = (base as? SimulatedUpstream)?.world.accounts.isDead(other) ?? false
            account = ProviderAccount(provider: account.provider, account: isDead ? account.account : other)
        }
        if case .paysForLists = fault, !isPaid, StepScheduler.taskName.hasPrefix(Action.reconciling) {
            return try await base.send(request, by: account, isPaid: true, timeout: timeout)
        }
        if case .ignoresAddress = fault, let made = request.baseURL {
            let anywhere = UpstreamRequest(
                method: request.method, path: request.path, url: request.url,
                headers: request.headers.merging([Self.formerAddress: made]) { $1 }, body: request.body)
            return try await base.send(anywhere, by: account, isPaid: isPaid, timeout: timeout)
        }
        do throws(UpstreamTransportError) {
            let reply = try await base.send(request, by: account, isPaid: isPaid, timeout: timeout)
            if case .endsAtShortPage = fault { return shortPages.cut(reply, to: request) }
            guard case .swapsRecords = fault, let ids = Self.ids(in: request), ids.count > 1 else { return reply }
            let text = String(decoding: reply.body, as: UTF8.self)
                .replacing("\"\(ids[0])\"", with: "\"swapped\"").replacing("\"\(ids[1])\"", with: "\"\(ids[0])\"")
                .replacing("\"swapped\"", with: "\"\(ids[1])\"")
            return UpstreamReply(status: reply.status, retryAfter: reply.retryAfter, body: Array(text.utf8))
        } catch {
            guard isPaid, case .interrupted(let why) = error else { throw error }
            switch fault {
            case .retries: return try await base.send(request, by: account, isPaid: true, timeout: timeout)
            case .callsLostUnsent: throw .notSent(why)
            case .callsLostRejected:
                var reply = UpstreamReply.error("invalid_token", status: 401)
                reply.rejectsReplacedToken = true
                return reply
            case .ignoresPermits, .ignoresAddress, .swapsRecords, .endsAtShortPage, .asksWithFirstAccount,
                .resendsByOtherAccount,
                .paysForLists:
                throw error
            }
        }
    }

    /// The ids of a batch query.
    private static func ids(in request: UpstreamRequest) -> [String]? {
        let body = try? JSONValue(parsing: request.body ?? [], limits: .lenient)
        return body?["ids"]?.array?.compactMap(\.string)
    }
}

/// The client ids that were sent.
private final class SentIDs: Sendable {
    private let ids = Mutex<Set<String>>([])

    /// Whether the request has a client id that was sent before.
    func isRepeated(_ request: UpstreamRequest) -> Bool {
        let body = try? JSONValue(parsing: request.body ?? [], limits: .lenient)
        guard let id = body?["task_id"]?.string else { return false }
        return ids.withLock { !$0.insert(id).inserted }
    }
}

/// Ends each reading of a list after its first short page. The next page has only the overlap, the one after is empty.
private final class ShortPages: Sendable {
    /// The number of items left for each reading; nil before its first short page.
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
