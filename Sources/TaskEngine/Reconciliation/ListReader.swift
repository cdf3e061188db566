import Logging
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// What one reading of the provider's list has brought.
struct ListReading {
    let tasks: [ListedTask]
    /// Whether its end was seen: only then may something be missing from it.
    let isComplete: Bool
    /// Whether there was a list to read at all; without one, ids of our own were asked for.
    var isList = true
    /// How far the provider's clock is ahead of ours, where its replies tell.
    var clockSkew: Duration?
}

/// Reads the provider's own list of tasks, page by page.
struct ListReader {
    let context: EngineContext
    let service: String
    let profile: EndpointProfile
    let list: any ListingDialect

    /// Where a reading stands between its pages.
    private struct Progress {
        var offset = 0
        /// The last item of the page before; nil before the first page.
        var last: RemoteTaskID?
        /// Whether the next page is asked for behind that item instead of from it on.
        var isBehindLast = false
        /// Items of this pass over the list.
        var seen: Set<RemoteTaskID> = []
        var isReadable = true
        var passes = 1
    }

    /// What a page means for the reading.
    private enum Step {
        case next
        case complete
        /// The offset is ignored, or nothing tells where the list ends.
        case incomplete
        /// The list moved between two pages.
        case startAgain
    }

    /// The tasks that the provider lists between the two times, as far as it answered; nil where it did not at all.
    ///
    /// How long a page is says nothing about the end: the provider may cap its pages, ignore the offset, or move items while
    /// the list is read. So each page is asked for from the last item of the one before, which it must show; a page with
    /// nothing else is followed by one from behind that item, which must be empty. A list without pages is whole only if
    /// its definition says so. An item that cannot be read may be any task, so that nothing is missing for certain.
    func read(from: Timestamp, to: Timestamp) async -> ListReading? {
        var found: [RemoteTaskID: ListedTask] = [:]
        var skew: Duration?
        var progress = Progress()
        func reading(isComplete: Bool) -> ListReading {
            var whole = self.reading(found, reachedEnd: isComplete && progress.isReadable)
            whole.clockSkew = skew
            return whole
        }
        for number in 0..<context.limits.listPages {
            // The first page's turn was taken with the claim.
            if number > 0, await !context.admission.waitForSlot(for: .queries(service), of: profile) {
                return partial(found)
            }
            let request = listing(from, to, at: progress.offset)
            guard let request else { return nil }
            switch await page(request, &skew) {
            case .page(let tasks, let unreadable):
                for task in tasks { found[task.remoteID] = task }
                let hasPages = request != listing(from, to, at: progress.offset + 1)
                switch step(&progress, tasks.map(\.remoteID), unreadable: unreadable, hasPages: hasPages) {
                case .next: break
                case .complete: return reading(isComplete: true)
                case .incomplete: return reading(isComplete: false)
                case .startAgain:
                    guard progress.passes < context.limits.listPasses else { return reading(isComplete: false) }
                    progress = Progress(passes: progress.passes + 1)
                }
            case .throttled(let failure, let retryAfter):
                await slow(because: failure, isThrottled: true, retryAfter: retryAfter)
                return partial(found)
            case .failed(let failure, let suspendsProvider):
                if suspendsProvider { await context.admission.suspend(.provider(profile.provider), because: failure) }
                await slow(because: failure, isThrottled: false, retryAfter: nil)
                return partial(found)
            }
        }
        context.logger.warning("The provider's list of \(service) tasks is too long to be read to its end.")
        return reading(isComplete: false)
    }

    private func listing(_ from: Timestamp, _ to: Timestamp, at offset: Int) -> UpstreamRequest? {
        list.page(from: from, to: to, offset: offset, limit: context.limits.listPageSize)
    }

    private func step(
        _ progress: inout Progress, _ page: [RemoteTaskID], unreadable: Int, hasPages: Bool
    ) -> Step {
        let items = page.count + unreadable
        if unreadable > 0 {
            progress.isReadable = false
            context.logger.warning(
                "\(unreadable) item(s) of the provider's list of \(service) tasks have no id that could be read.")
        }
        let isNew = !progress.seen.isSuperset(of: page)
        progress.seen.formUnion(page)
        if let last = progress.last, !progress.isBehindLast {
            guard page.contains(last) else { return .startAgain }
            if items == 1 {
                progress.offset += 1
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
        progress.offset += items - 1
        return .next
    }

    /// What the pages before a failed one show is there all the same.
    private func partial(_ found: [RemoteTaskID: ListedTask]) -> ListReading? {
        found.isEmpty ? nil : reading(found, reachedEnd: false)
    }

    private func reading(_ found: [RemoteTaskID: ListedTask], reachedEnd: Bool) -> ListReading {
        // In an order that does not differ from run to run, since of equal records the first is taken.
        ListReading(tasks: found.values.sorted { $0.remoteID.text < $1.remoteID.text }, isComplete: reachedEnd)
    }

    private func page(_ request: UpstreamRequest, _ skew: inout Duration?) async -> ListingVerdict {
        context.meter.count(service)
        do throws(UpstreamTransportError) {
            let reply = try await context.transport.send(
                request, to: profile.provider, isPaid: false, timeout: context.limits.pollTimeout)
            skew = reply.date.map { $0 - context.time.now() } ?? skew
            let verdict = list.read(reply)
            if case .page = verdict { await context.admission.queriesSucceeded(of: service) }
            return verdict
        } catch {
            return .failed(TaskFailure(error), suspendsProvider: false)
        }
    }

    private func slow(because failure: TaskFailure, isThrottled: Bool, retryAfter: Duration?) async {
        context.logger.warning(
            "The provider's list of \(service) tasks could not be read: \(failure.code): \(failure.message)")
        await context.admission.queriesFailed(
            of: profile, because: failure, isThrottled: isThrottled, retryAfter: retryAfter)
    }
}
