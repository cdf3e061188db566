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

    /// The tasks that the provider lists between the two times, as far as it answered; nil where it did not at all.
    ///
    /// That a page is shorter than was asked for does not make it the last: the provider may cap its pages, and may ignore
    /// the offset and show the first one for ever. It is the last if it is shorter than the smallest page that a document
    /// of the provider's names; where none does, if it is empty. A list that is defined without pages has one, which is whole if it is
    /// shorter than was asked for. An item that cannot be read may be any task, so that nothing is missing for certain.
    func read(from: Timestamp, to: Timestamp) async -> ListReading? {
        var found: [RemoteTaskID: ListedTask] = [:]
        var skew: Duration?
        var offset = 0
        var isReadable = true
        for number in 0..<context.limits.listPages {
            // The first page's turn was taken with the claim.
            if number > 0, await !context.turn(for: .queries(service), of: profile) { return partial(found) }
            let request = profile.listing(from: from, to: to, offset: offset, limit: context.limits.listPageSize)
            guard let request else { return nil }
            switch await page(request, &skew) {
            case .page(let tasks, let isLast, let unreadable):
                let known = found.count
                let items = tasks.count + unreadable
                for task in tasks { found[task.remoteID] = task }
                if unreadable > 0 {
                    isReadable = false
                    context.logger.warning(
                        "\(unreadable) item(s) of the provider's list of \(service) tasks have no id that could be read."
                    )
                }
                offset += items
                let hasPages =
                    request != profile.listing(from: from, to: to, offset: offset, limit: context.limits.listPageSize)
                if items < profile.smallestListPage ?? 1 || !hasPages {
                    var whole = reading(found, reachedEnd: isReadable && (isLast || hasPages))
                    whole.clockSkew = skew
                    return whole
                }
                if found.count == known { return reading(found, reachedEnd: false) }
            case .throttled(let failure, let retryAfter):
                await slow(because: failure, isThrottled: true, retryAfter: retryAfter)
                return partial(found)
            case .failed(let failure, let stopsProvider):
                if stopsProvider { await context.stopProvider(profile.provider, because: failure) }
                await slow(because: failure, isThrottled: false, retryAfter: nil)
                return partial(found)
            }
        }
        context.logger.warning("The provider's list of \(service) tasks is too long to be read to its end.")
        return reading(found, reachedEnd: false)
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
            let verdict = profile.readListing(reply, limit: context.limits.listPageSize)
            if case .page = verdict { await context.queriesSucceeded(of: service) }
            return verdict
        } catch {
            return .failed(TaskFailure(error), stopsProvider: false)
        }
    }

    private func slow(because failure: TaskFailure, isThrottled: Bool, retryAfter: Duration?) async {
        context.logger.warning(
            "The provider's list of \(service) tasks could not be read: \(failure.code): \(failure.message)")
        await context.queriesFailed(of: profile, because: failure, isThrottled: isThrottled, retryAfter: retryAfter)
    }
}
