import ProviderCatalog
import TaskModel
import TaskTesting
import VerbatimJSON

/// The simulated transport: sends requests and injects faults into requests and replies. ``CallbackDriver`` sends
/// callbacks.
struct SimulatedUpstream: UpstreamTransport {
    let world: World
    /// The provider's current base URL.
    let address: @Sendable () -> String?
    /// The leases, and the token of this daemon, in histories of several daemons.
    var sharing: (truth: LeaseTruth, token: LeaseToken)?
    /// Whether the sending daemon has been killed.
    let isDead: @Sendable () -> Bool

    func roomForPaidReply() -> ReplyRoom? { ReplyRoom() }

    func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let body = (try? JSONValue(parsing: request.body ?? [], limits: .lenient))?.object ?? JSONObject()
        let address = address()
        try request.check(baseURL: address)
        let sent = ProviderTruth.PaidRequest(
            sender: Self.sender, path: request.path, body: body, account: account.account, address: address,
            madeFor: request.baseURL ?? request.headers[BrokenTransport.formerAddress])
        // A crash at this point happens before the first byte, or leaves the request in the network.
        await world.scheduler.park("send \(request.path)")
        if isPaid, !isDead() {
            try request.permit.check()
            if let (truth, token) = sharing { truth.noteFirstByte(of: account, by: token, for: sent.sender) }
        }
        if isDead() {
            // The first byte of a request that is on its way left while that was allowed.
            if isPaid, (try? request.permit.check()) != nil, world.random.happens(400) {
                world.truth.noteSent(sent)
                world.truth.delay(sent, by: .milliseconds(world.random.integer(in: 0...30_000)))
            }
            throw .cancelled
        }
        world.touch()
        if isPaid, StepScheduler.taskName.hasPrefix(Action.reconciling) { world.comparisons.notePayment() }
        let reply =
            isPaid
            ? try await pay(sent, timeout: timeout)
            : try await answer(request.path, query: body, by: account.account, timeout: timeout)
        if isDead() {
            // A daemon that only seems dead delivers the reply later.
            if isPaid, let sender = sent.sender, world.random.happens(500) {
                world.truth.noteLate(
                    LateReply(task: sender, attempt: Self.attempt, account: account.account, reply: reply))
            }
            throw .cancelled
        }
        if isPaid, let (truth, token) = sharing, let sender = sent.sender {
            truth.noteReply(
                LateReply(task: sender, attempt: Self.attempt, account: account.account, reply: reply), to: token)
        }
        return reply
    }

    /// The task that sends the request. The driver puts its id into the name of the simulated task.
    private static var sender: TaskID? { TaskID(String(StepScheduler.taskName.suffix(36))) }
    /// The number of the attempt, before the id; nil for an attempt that the engine started meanwhile.
    private static var attempt: Int? { Int(StepScheduler.taskName.split(separator: " ").dropLast().last ?? "") }

    private var words: ProviderWords {
        ProviderWords(truth: world.truth, now: world.clock.providerNow, habit: world.habit)
    }

    // MARK: Paid requests

    private func pay(
        _ request: ProviderTruth.PaidRequest, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        if world.accounts.isDead(request.account) {
            world.truth.noteSent(request)
            world.truth.noteRefused(request.sender)
            return error("invalid_token", 401, retryAfter: nil)
        }
        if world.accounts.isThrottled(request.account) {
            world.truth.noteSent(request)
            return error("rate_limited", 429, retryAfter: nil)
        }
        let fate = world.paidFault() ?? -1
        if fate == 0 {
            world.note("nothing was sent")
            throw .notSent("connection refused")
        }
        world.truth.noteSent(request)
        if world.isTokenReplaced {
            var reply = error("invalid_token", 401, retryAfter: nil)
            reply.rejectsReplacedToken = true
            return reply
        }
        switch fate {
        case 1:
            world.note("the request is lost")
            throw .interrupted("connection reset")
        case 2: return error("rate_limited", 429, retryAfter: nil)
        case 3: return error("rate_limited", 429, retryAfter: .seconds(world.random.integer(in: 1...40)))
        case 4: return error("busy", 500, retryAfter: nil)
        case 5:
            world.truth.noteRefused(request.sender)
            return error("bad_request", 400, retryAfter: nil)
        case 6 where world.random.happens(300):
            world.truth.noteRefused(request.sender)
            world.truth.noteStop()
            return error("used_up", 403, retryAfter: nil)
        case 7: return error("api_error", 500, retryAfter: nil)
        default: break
        }
        if request.path == "/mine/make", let id = request.body["task_id"]?.string,
            world.truth.hasSeen(id, from: world.accounts.user(of: request.account))
        {
            world.truth.noteRefused(request.sender)
            return error("bad_request", 400, retryAfter: nil)
        }
        let record = world.truth.accept(
            request, isHidden: world.isHidden(lostReply: fate >= 0),
            isLate: world.random.happens(world.faults.late))
        switch fate {
        case 8:
            world.note("the reply is lost")
            throw .interrupted("connection reset")
        case 9:
            world.note("the reply never comes")
            await pause(timeout.wholeMilliseconds)
            throw .interrupted("timed out")
        case 10: return .text("<html>502 Bad Gateway</html>", status: 502)
        case 11: return .text("{\"success\": true, \"task_", status: 200)
        case 12: return error("api_error", 500, retryAfter: nil)
        case 13: await pause(Int64(world.random.integer(in: 1_000...Int(timeout.wholeMilliseconds) - 1)))
        default: await pause(Int64(world.random.integer(in: 10...1_500)))
        }
        if record.service == "words" {
            // An inline endpoint replies when its result is ready.
            let done = min(
                record.finishesAt.milliseconds - world.clock.providerNow.milliseconds, timeout.wholeMilliseconds)
            if done > 0 { await pause(done) }
            guard record.isFinished(at: world.clock.providerNow) else { throw .interrupted("timed out") }
            return .json(words.response(of: record))
        }
        return .accepted(record.id)
    }

    // MARK: Status queries

    private func answer(
        _ path: String, query: JSONObject, by account: AccountName, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let service = path.split(separator: "/").first.map(String.init) ?? ""
        world.truth.notePoll(by: account)
        let one = query["id"]?.string ?? query["task_id"]?.string
        world.truth.note(
            ProviderTruth.Question(
                ids: query["ids"]?.array?.compactMap(\.string) ?? [one].compactMap(\.self), account: account))
        if world.accounts.isDead(account) { return error("invalid_token", 401, retryAfter: nil) }
        if world.accounts.isUnreadable(account), service == "mine" || one == nil && query["ids"] == nil {
            return error("rate_limited", 429, retryAfter: .seconds(5))
        }
        let fate = world.random.happens(world.faults.polls) ? world.random.integer(in: 0...11) : -1
        switch fate {
        case 0: throw .notSent("connection refused")
        case 1: throw .interrupted("connection reset")
        case 2:
            await pause(timeout.wholeMilliseconds)
            throw .interrupted("timed out")
        case 3: return error("rate_limited", 429, retryAfter: nil)
        case 4: return error("rate_limited", 429, retryAfter: .seconds(world.random.integer(in: 1...60)))
        case 5: return error("api_error", 500, retryAfter: nil)
        case 6: return .text("<html>504 Gateway Time-out</html>", status: 504)
        default: break
        }
        // The reply has the state of this moment, so newer replies may overtake it.
        let reply = honest(service, query, by: account, fate: fate)
        await pause(Int64(world.random.integer(in: 5...(fate == 7 ? Int(timeout.wholeMilliseconds) - 1 : 400))))
        return reply
    }

    private func honest(
        _ service: String, _ query: JSONObject, by account: AccountName, fate: Int
    ) -> UpstreamReply {
        let now = world.clock.providerNow
        let user = world.accounts.user(of: account)
        let known = world.truth.records.filter { $0.service == service && $0.user == user && $0.isKnown(at: now) }
        if let ids = query["ids"]?.array?.compactMap(\.string) {
            var items = known.filter { ids.contains($0.id) }.map(words.record)
            if fate == 8 { items += items }
            if fate == 9 { items = Array(items.dropLast()) }
            if fate == 10 { items = known.map(words.record).reversed() }
            return .items(items)
        }
        if let id = query["id"]?.string ?? query["task_id"]?.string {
            // A faulty proxy returns another task's reply.
            if fate == 11, let other = known.first(where: { $0.id != id }) { return .json(words.record(other)) }
            if let record = known.first(where: { $0.id == id }) { return .json(words.record(record)) }
            // An unknown client id is equivalent to a list that does not show it.
            if service == "mine" { world.truth.noteReading(of: service, by: account) }
            return world.random.happens(500) ? .json([:]) : .error("no_task", status: 404)
        }
        let window = "\(query["created_at_min"]?.text ?? "") \(query["created_at_max"]?.text ?? "")"
        if (query["offset"]?.number?.double ?? 0) == 0 {
            world.truth.noteBeginning(of: service, by: account, in: window)
        }
        let (page, isAll) = words.list(
            service: service, user: user, at: address(), query: query, pageCap: fate == 8 ? 12 : 50,
            ignoresOffset: fate == 9)
        // Only an empty page shows the end of the list.
        if isAll, page.isEmpty { world.truth.noteReading(of: service, by: account, in: window) }
        return .items(fate == 10 ? page.reversed() : page)
    }

    private func error(_ code: String, _ status: Int, retryAfter: Duration?) -> UpstreamReply {
        world.note("the provider says \(status) \(code)")
        return .error(code, status: status, retryAfter: retryAfter)
    }

    private func pause(_ milliseconds: Int64) async {
        await world.scheduler.park("reply", notBefore: world.clock.steady + milliseconds)
    }
}
