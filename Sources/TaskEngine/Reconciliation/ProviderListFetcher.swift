import Logging
import ProviderCatalog
import ServiceLifecycle
import TaskModel
import TaskStore
import VerbatimJSON

/// The result of reading the provider's list once.
struct FetchedList {
    let tasks: [ListedTask]
    /// Whether the reading reached the end of the list. Only then does it prove absence.
    let isComplete: Bool
    /// Whether the provider has a list. Without one, only look-ups by client id were made.
    var isList = true
    /// Whether the connection failed for a later page.
    var wasCutOff = false
    /// How far the provider's clock is ahead of the local clock, if its replies contain the time.
    var clockSkew: Duration?
}

/// Fetches the provider's list of an account's tasks, page by page.
struct ProviderListFetcher {
    let limits: EngineLimits
    let admission: AdmissionControl
    let sender: QuerySender
    let time: any TimeSource
    let logger: Logger
    let endpoint: AccountEndpoint
    let list: any ListingDialect
    /// The places of each record whose figures are kept.
    var figures: Set<JSONPointer> = []

    /// The position of a reading between its pages.
    private struct Progress {
        /// Where the next page begins.
        var place = ListPlace()
        /// The last item of the previous page; nil before the first page.
        var last: RemoteTaskID?
        /// Whether the next page starts after that item instead of at it.
        var isBehindLast = false
        /// The items of this pass over the list.
        var seen: Set<RemoteTaskID> = []
        var isReadable = true
        var passes = 1
    }

    /// What a reading keeps over all of its passes.
    private struct Exchange {
        var skew: Duration?
        /// The time that it has waited to repeat pages.
        var waited: Duration = .zero
    }

    /// The outcome of a page, after its repetitions.
    private enum Outcome {
        case page([ListedTask], unreadable: Int, rest: ListRest)
        /// The provider replied with an error.
        case refused
        /// The connection failed, or the provider rejects the account.
        case unanswered
    }

    /// How a reading continues after a page.
    private enum Step {
        case next
        case complete
        /// The provider ignores the offset, or nothing shows where the list ends.
        case incomplete
        /// The list changed between two pages, so the reading starts again.
        case startAgain
    }

    /// The result of a reading.
    enum Result {
        case read(FetchedList)
        /// The provider replied to the first page with an error.
        case refused
        /// The connection failed.
        case unanswered
    }

    /// The tasks that the provider lists between the two times, as far as it replied.
    ///
    /// The page length does not show the end: a provider may limit pages, ignore the offset, or move items meanwhile.
    /// So each page starts at the last item of the previous one and must contain it. A page with only that item is
    /// followed by one after it, which must be empty. A list without pages is complete only if its definition says
    /// so. An unreadable item may be any task, so the reading then proves no absence.
    ///
    /// A list whose pages name the next one is followed. Its end is where it says so or, if the newest tasks come
    /// first, where they are older than the window.
    func read(from: Timestamp, to: Timestamp) async -> Result {
        var found: [RemoteTaskID: ListedTask] = [:]
        var exchange = Exchange()
        var progress = Progress()
        func reading(isComplete: Bool) -> Result {
            var whole = self.reading(found, reachedEnd: isComplete && progress.isReadable)
            whole.clockSkew = exchange.skew
            return .read(whole)
        }
        for number in 0..<limits.listPages {
            // The claim has taken the token for the first page.
            if number > 0, await !admission.waitForQuerySlot(of: endpoint) {
                return partial(found, otherwise: .unanswered)
            }
            guard let request = listing(from, to, at: progress.place) else {
                return partial(found, otherwise: .unanswered)
            }
            switch await page(request, isFirst: number == 0, &exchange) {
            case .page(let tasks, let unreadable, let rest):
                for task in tasks { found[task.remoteID] = task }
                let isPast = list.isNewestFirst && tasks.last?.createdAt.map { $0 < from } ?? false
                let hasPages = request != listing(from, to, at: ListPlace(offset: progress.place.offset + 1))
                let step =
                    rest == .unstated
                    ? step(&progress, tasks.map(\.remoteID), unreadable: unreadable, hasPages: hasPages)
                    : follow(rest, &progress, tasks.map(\.remoteID), unreadable: unreadable, isPast: isPast)
                switch step {
                case .next: break
                case .complete: return reading(isComplete: true)
                case .incomplete: return reading(isComplete: false)
                case .startAgain:
                    guard progress.passes < limits.listPasses else { return reading(isComplete: false) }
                    progress = Progress(passes: progress.passes + 1)
                }
            case .refused: return partial(found, otherwise: .refused)
            case .unanswered: return partial(found, otherwise: .unanswered)
            }
        }
        logger.warning("The provider's list of \(endpoint.service) tasks is too long to be read completely.")
        return reading(isComplete: false)
    }

    private func listing(_ from: Timestamp, _ to: Timestamp, at place: ListPlace) -> UpstreamRequest? {
        list.page(from: from, to: to, at: place, limit: limits.listPageSize)
    }

    private func step(
        _ progress: inout Progress, _ page: [RemoteTaskID], unreadable: Int, hasPages: Bool
    ) -> Step {
        let items = page.count + unreadable
        note(unreadable, &progress)
        let isNew = !progress.seen.isSuperset(of: page)
        progress.seen.formUnion(page)
        if let last = progress.last, !progress.isBehindLast {
            guard page.contains(last) else { return .startAgain }
            if items == 1 {
                progress.place.offset += 1
                progress.isBehindLast = true
                return .next
            }
        } else if items == 0 {
            return .complete
        }
        if list.isWhole { return .complete }
        guard isNew, hasPages, let last = page.last else { return .incomplete }
        progress.last = last
        progress.isBehindLast = false
        progress.place.offset += items - 1
        return .next
    }

    /// How a reading continues after a page that says where the next one is.
    private func follow(
        _ rest: ListRest, _ progress: inout Progress, _ page: [RemoteTaskID], unreadable: Int, isPast: Bool
    ) -> Step {
        note(unreadable, &progress)
        let isNew = !progress.seen.isSuperset(of: page)
        progress.seen.formUnion(page)
        if isPast { return .complete }
        switch rest {
        case .none: return .complete
        case .afterLast where page.isEmpty && unreadable == 0: return .complete
        case .afterLast:
            guard isNew, let last = page.last else { return .incomplete }
            progress.place = ListPlace(last: last)
        case .at(let address):
            // An empty page may be followed by others, the same page again never.
            guard isNew || page.isEmpty, address != progress.place.address else { return .incomplete }
            progress.place = ListPlace(address: address)
        case .unstated: return .incomplete
        }
        return .next
    }

    private func note(_ unreadable: Int, _ progress: inout Progress) {
        guard unreadable > 0 else { return }
        progress.isReadable = false
        logger.warning(
            "\(unreadable) item(s) of the provider's list of \(endpoint.service) tasks have no readable id.")
    }

    /// The pages before a failed one still count.
    private func partial(_ found: [RemoteTaskID: ListedTask], otherwise: Result) -> Result {
        guard !found.isEmpty else { return otherwise }
        var part = reading(found, reachedEnd: false)
        if case .unanswered = otherwise { part.wasCutOff = true }
        return .read(part)
    }

    private func reading(_ found: [RemoteTaskID: ListedTask], reachedEnd: Bool) -> FetchedList {
        // The order is the same in every run, because of equal records the first is taken.
        FetchedList(tasks: found.values.sorted { $0.remoteID.text < $1.remoteID.text }, isComplete: reachedEnd)
    }

    // MARK: One page

    /// Fetches a page. A later page that fails is requested again, so that those before it are not lost.
    ///
    /// The first page is not, because nothing was read before it. A repeated page proves as much as another: it must
    /// contain the last item of the previous one, and the reading counts by the moment when it began.
    private func page(_ request: UpstreamRequest, isFirst: Bool, _ exchange: inout Exchange) async -> Outcome {
        var tries = 0
        while true {
            tries += 1
            let (outcome, failure): (Outcome, TaskFailure)
            var mayPass = true
            switch await reply(to: request, &exchange) {
            case .page(let tasks, let unreadable, let rest): return .page(tasks, unreadable: unreadable, rest: rest)
            case .throttled(let reason, let retryAfter):
                await admission.queriesFailed(of: endpoint, because: reason, isThrottled: true, retryAfter: retryAfter)
                (outcome, failure) = (.refused, reason)
            case .failed(let reason, let suspendsProvider):
                if suspendsProvider { await admission.suspend(endpoint.owner, because: reason) }
                await admission.queriesFailed(of: endpoint, because: reason)
                // A list that cannot be read with these credentials may be readable with others.
                let isUnanswered = suspendsProvider || reason.httpStatus == nil
                (outcome, failure) = (isUnanswered ? .unanswered : .refused, reason)
                mayPass = !suspendsProvider && reason.mayPass
            }
            guard !isFirst, mayPass, tries < limits.listPageTries, await waitToRepeat(&exchange) else {
                logger.warning(
                    "The provider's list of \(endpoint.service) tasks could not be read: \(failure.code): \(failure.message)"
                )
                return outcome
            }
            logger.info(
                "A page of the provider's list of \(endpoint.service) tasks is requested again: \(failure.message)")
        }
    }

    /// Waits until the circuit breaker and the rate allow another request. False if that takes too long, or if the
    /// daemon stops.
    private func waitToRepeat(_ exchange: inout Exchange) async -> Bool {
        var now = time.now()
        while let block = admission.breakers.block(endpoint.polls, at: now) {
            guard let until = block.until, exchange.waited + (until - now) <= limits.listRepeatSpan else {
                return false
            }
            exchange.waited += until - now
            await cancelWhenGracefulShutdown { [time] in await time.sleep(until: until) }
            guard !Task.isCancelled, !Task.isShuttingDownGracefully else { return false }
            now = time.now()
        }
        // Another request may have shown that the account is rejected.
        guard admission.breakers.state(of: .account(endpoint.owner)).pause == nil else { return false }
        return await admission.waitForQuerySlot(of: endpoint)
    }

    private func reply(to request: UpstreamRequest, _ exchange: inout Exchange) async -> ListingVerdict {
        do throws(UpstreamTransportError) {
            let reply = try await sender.send(request, by: endpoint)
            exchange.skew = reply.date.map { $0 - time.now() } ?? exchange.skew
            let verdict = list.read(reply, figures: figures)
            if case .page = verdict { await admission.queriesSucceeded(of: endpoint.service) }
            return verdict
        } catch {
            return .failed(TaskFailure(error), suspendsProvider: false)
        }
    }
}

extension TaskFailure {
    /// Whether the same query may succeed soon: there was no reply, it could not be read, or the server failed.
    fileprivate var mayPass: Bool {
        guard let httpStatus else { return code != Self.daemonStopped }
        return !(300...499).contains(httpStatus) || httpStatus == 408
    }
}
