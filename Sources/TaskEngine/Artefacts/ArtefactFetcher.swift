import Logging
import ProviderCatalog
import ServiceLifecycle
import Synchronization
package import TaskModel
package import TaskStore
import Text
import VerbatimJSON

/// ArtefactFetcher fetches the files behind the URLs of results before they expire.
///
/// It reads the log from a place that it keeps in the database, so it misses no success over a restart, and no
/// submission or outcome waits for it. A task stays `succeeded`, even if its file cannot be fetched.
package struct ArtefactFetcher: Worker {
    let store: TaskStore
    @Current var settings: ArtefactSettings
    @Current var catalog: ProviderCatalog
    let downloads: any ArtefactDownloads
    let renewal: ArtefactRenewal
    let remover: ArtefactRemover
    let inFlight: InFlightArtefacts
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger
    let passed: @Sendable (CrashPoint) -> Void
    private let progress = Progress()

    private final class Progress: Sendable {
        struct State {
            var isPrepared = false
            /// Why the directory could not be used at the last attempt.
            var problem: String?
            /// The place of the last line of the log that was read.
            var place: Int64?
            /// The same as it is on disk.
            var storedPlace: Int64 = 0
            var hasSaved = false
            var isMakingRoom = false
        }

        let state = Mutex(State())
    }

    /// Files that are fetched at once, and those of them from one host.
    private static let (limit, limitPerHost) = (4, 2)
    /// Lines of the log that are read at once, and how far the place on disk may lag behind.
    private static let (pageSize, longestLag) = (256, Int64(1_000))
    private static let successes = {
        var filter = EventFilter()
        filter.states = [.succeeded]
        return filter
    }()

    package var wake: WakeSignal { wakes.artefacts }

    package func claim(into work: inout [Artefact], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        let hasMore = try await readLog(at: now)
        // Without capture, too: records have files of their own, and a person may have the files of a task fetched.
        guard await prepare() else { return hasMore ? now : now + .seconds(60) }
        guard inFlight.count < Self.limit, let next = try await store.nextArtefact() else {
            return hasMore ? now : now + .seconds(60)
        }
        guard next <= now else { return hasMore ? now : next }
        let hosts = inFlight.hosts(with: Self.limitPerHost)
        // Those in flight are still due.
        for artefact in try await store.artefacts(dueBy: now, notFrom: hosts, limit: 16) {
            if inFlight.begin(artefact, limit: Self.limit, perHost: Self.limitPerHost) { work.append(artefact) }
        }
        return hasMore || !work.isEmpty ? now : now + .seconds(1)
    }

    /// Prepares the directories before the first download, and makes sure later that they are there; false if that fails for
    /// now.
    private func prepare() async -> Bool {
        do throws(ArtefactFailure) {
            if progress.state.withLock({ $0.isPrepared }) {
                try await downloads.check()
            } else {
                try await downloads.prepare(StoredArtefactRecords(store: store))
                try await fetchMissing()
                let count = try await asking { () async throws(TaskStoreError) in try await store.unpackParts() }
                if count > 0 { logger.notice("\(count) file(s) of records were written from the restored database.") }
                progress.state.withLock { $0.isPrepared = true }
            }
        } catch {
            let isNew = progress.state.withLock { state in
                defer { state.problem = error.message }
                return state.problem != error.message
            }
            if isNew { logger.error("Results are not fetched: \(error.message)") }
            return false
        }
        let hadProblem = progress.state.withLock { state in
            defer { state.problem = nil }
            return state.problem != nil
        }
        if hadProblem { logger.notice("Results are fetched again.") }
        return true
    }

    /// Has saved files fetched again whose objects are missing, as after the restore of an older database.
    private func fetchMissing() async throws(ArtefactFailure) {
        var digests = try await savedDigests(after: "")
        while let last = digests.last {
            for digest in digests where try downloads.file(of: digest) == nil {
                logger.warning("The file \(digest) of a result is missing, so it is fetched again.")
                try await asking { () async throws(TaskStoreError) in
                    try await store.fetchAgain(digest, at: time.now())
                }
            }
            digests = try await savedDigests(after: last)
        }
    }

    private func savedDigests(after last: String) async throws(ArtefactFailure) -> [String] {
        try await asking { () async throws(TaskStoreError) in
            try await store.savedDigests(after: last, limit: Self.pageSize)
        }
    }

    // MARK: What is to be fetched

    /// Notes the results of tasks that have succeeded since the last call; returns whether there is more to read.
    private func readLog(at now: Timestamp) async throws(TaskStoreError) -> Bool {
        let place = try await place()
        let page = try await store.log.page(matching: Self.successes, after: place, limit: Self.pageSize)
        guard page.through > place else { return false }
        var artefacts: [Artefact] = []
        for change in page.lines where change.entry.from != .succeeded && settings.isOn {
            guard let stored = try await store.taskWithPayload(change.task.id, .nulls) else { continue }
            artefacts += files(of: stored, at: now)
        }
        let last = page.through
        let storedPlace = progress.state.withLock { $0.storedPlace }
        if !artefacts.isEmpty || last - storedPlace > Self.longestLag {
            try await store.insert(artefacts, readUpTo: last)
            progress.state.withLock { $0.storedPlace = last }
        }
        progress.state.withLock { $0.place = last }
        return !page.isLast
    }

    /// Where reading goes on.
    private func place() async throws(TaskStoreError) -> Int64 {
        if let place = progress.state.withLock({ $0.place }) { return place }
        let place = try await store.artefactPlace()
        progress.state.withLock { ($0.place, $0.storedPlace) = (place, place) }
        return place
    }

    /// The files behind the results of a task that are fetched by themselves.
    private func files(of stored: TaskWithPayload, at now: Timestamp) -> [Artefact] {
        // An endpoint that a reload has removed may come back.
        let endpoint = stored.task.endpoint
        let profile = catalog.endpoint(endpoint) ?? EndpointProfile(undefined: endpoint)
        guard stored.task.capturesResults, settings.captures(profile.name, of: profile.provider) else { return [] }
        return Self.files(of: stored, profile, at: now)
    }

    /// The files behind all results of a task that have a URL of HTTP, and those of content that is in a file of the record.
    static func files(of stored: TaskWithPayload, _ profile: EndpointProfile, at now: Timestamp) -> [Artefact] {
        let ended = stored.task.endedAt ?? now
        let end = profile.artefactLifetime.map { ended + $0 }
        return (stored.payload.results ?? []).enumerated().compactMap { ordinal, result in
            let id = Artefact.ID(task: stored.task.id, ordinal: ordinal)
            if result.content != nil { return Artefact(id, url: "", host: "", expiresAt: nil, nextAt: now) }
            guard result.kind == .url, let url = result.value.string, let address = HTTPURL(url) else { return nil }
            return Artefact(
                id, url: url, host: address.host,
                expiresAt: [end, ArtefactRules.expiry(of: url, after: ended)].compactMap(\.self).min(), nextAt: now)
        }
    }

    // MARK: Fetching

    package func perform(_ work: Artefact) async {
        defer { inFlight.end(work.id) }
        do throws(TaskStoreError) {
            guard let stored = try await store.taskWithPayload(work.id.task, .nulls) else { return }
            var artefact = work
            guard try await fetch(&artefact, of: stored) else { return }
            let isStored = try await store(artefact)
            // A person deleted the task during the download.
            if !isStored, let object = artefact.object { _ = await remover.removeFile(artefact, object) }
            if !isStored || artefact.state != .waiting { downloads.forget(artefact.id) }
        } catch {
            // The file is fetched again, or found on disk.
            logger.error("What became of a result of \(work.id.task) could not be stored: \(error.message)")
        }
    }

    /// Stores the outcome of an attempt; false if the result is not fetched any more.
    private func store(_ artefact: Artefact) async throws(TaskStoreError) -> Bool {
        defer { if let object = artefact.object { downloads.settle(object) } }
        if artefact.object != nil { passed(.afterName) }
        let isStored = try await store.put(artefact, at: time.now())
        if isStored, artefact.object != nil { passed(.afterSaved) }
        return isStored
    }

    /// Makes one attempt; returns whether there is anything to store.
    private func fetch(
        _ artefact: inout Artefact, of stored: TaskWithPayload
    ) async throws(TaskStoreError) -> Bool {
        guard let profile = catalog.endpoint(stored.task.endpoint), let provider = catalog.provider(profile.provider)
        else {
            artefact.nextAt = time.now() + .seconds(600)
            artefact.error = "The endpoint \(stored.task.endpoint) is not defined at the moment."
            return true
        }
        let result = stored.payload.results.flatMap { results in
            results.indices.contains(artefact.id.ordinal) ? results[artefact.id.ordinal] : nil
        }
        var request = ArtefactRequest(
            id: artefact.id, url: artefact.url,
            account: ProviderAccount(provider: provider.name, account: stored.task.account), hosts: provider.hosts,
            needsToken: profile.filesNeedToken, promisedType: result?.mediaType,
            name: settings.names.name(of: stored.task, ordinal: artefact.id.ordinal), maxBytes: settings.maxObject)
        if artefact.isContent {
            guard let content = result?.content else {
                artefact.state = .gone
                artefact.error = "The record has no such content any more."
                return true
            }
            request.content = content
        }
        let failure: ArtefactFailure
        do throws(ArtefactFailure) {
            let object = try await download(request)
            artefact.attempts += 1
            artefact.state = .saved
            artefact.object = object
            artefact.error = nil
            logFirst(object)
            return true
        } catch {
            failure = error
        }
        switch failure {
        case .cancelled: return false
        case .storage(let text):
            artefact.error = text
            artefact.nextAt = time.now() + .seconds(60)
        case .noRoom(let text, let missing): try await wait(&artefact, forRoom: missing, because: text)
        default:
            artefact.attempts += 1
            artefact.error = failure.message
            artefact.lacksRoom = false
            await goOn(&artefact, after: failure, of: stored)
        }
        return true
    }

    // MARK: Room

    /// Has the file fetched again once there is room, which files that clients have had make.
    private func wait(
        _ artefact: inout Artefact, forRoom missing: Int64, because text: String
    ) async throws(TaskStoreError) {
        artefact.error = text
        if try await makeRoom(for: missing) {
            artefact.nextAt = time.now() + .seconds(1)
        } else {
            if !artefact.lacksRoom { logger.warning("A result of \(artefact.id.task) waits: \(text)") }
            artefact.lacksRoom = true
            artefact.nextAt = time.now() + .seconds(60)
        }
    }

    /// Removes files that clients have had, those that were had first before others; false if they are not enough.
    private func makeRoom(for bytes: Int64) async throws(TaskStoreError) -> Bool {
        let isFree = progress.state.withLock { state in
            defer { state.isMakingRoom = true }
            return !state.isMakingRoom
        }
        // Another download makes room, perhaps for this one too.
        guard isFree else { return true }
        defer { progress.state.withLock { $0.isMakingRoom = false } }
        var chosen: [Artefact] = []
        var sizes: [String: Int64] = [:]
        for artefact in try await store.deliveredArtefacts(limit: 1_000) {
            guard sizes.values.reduce(0, +) < bytes || chosen.isEmpty else { break }
            guard let object = artefact.object else { continue }
            chosen.append(artefact)
            sizes[object.sha256] = object.size
        }
        guard !chosen.isEmpty, sizes.values.reduce(0, +) >= bytes else { return false }
        let reason = "The file was removed to make room for others, after a client had fetched it."
        for artefact in try await store.markForRemoval(chosen, because: reason) {
            // Otherwise the loop of the remover does it.
            guard await remover.remove(artefact) else { return true }
        }
        logger.info("\(chosen.count) file(s) of results made room for others; clients had fetched them before.")
        return true
    }

    /// Downloads until the daemon stops.
    private func download(_ request: ArtefactRequest) async throws(ArtefactFailure) -> Artefact.Object {
        let result: Result<Artefact.Object, ArtefactFailure> = await cancelWhenGracefulShutdown {
            do throws(ArtefactFailure) {
                return .success(try await downloads.download(request))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Says where files go, once.
    private func logFirst(_ object: Artefact.Object) {
        let isFirst = progress.state.withLock { state in
            defer { state.hasSaved = true }
            return !state.hasSaved
        }
        if isFirst {
            logger.info("Results are saved: the first one is \(object.name) in the directory of the artefacts.")
        }
    }

    /// Decides what follows a failed attempt.
    private func goOn(_ artefact: inout Artefact, after failure: ArtefactFailure, of stored: TaskWithPayload) async {
        let now = time.now()
        artefact.nextAt = now + ArtefactRules.pause(after: artefact.attempts)
        let end = artefact.expiresAt ?? (stored.task.endedAt ?? now) + ArtefactRules.patience
        switch failure {
        case .forbidden: return artefact.state = .refused
        case .unfit where artefact.attempts >= ArtefactRules.attemptsAtUnfitFile: return artefact.state = .refused
        case .later(_, let pause?): artefact.nextAt = max(artefact.nextAt, now + min(pause, ArtefactRules.longestPause))
        default: break
        }
        var isDead = now >= end
        if case .expired = failure { isDead = true }
        guard isDead else {
            // The last attempt comes before the end.
            artefact.nextAt = min(artefact.nextAt, max(end - .seconds(5), now + .seconds(2)))
            return
        }
        downloads.forget(artefact.id)
        switch await renewal.url(of: artefact.id, task: stored) {
        case .url(let url) where url != artefact.url:
            guard let address = HTTPURL(url) else { return artefact.state = .gone }
            artefact.url = url
            artefact.host = address.host
            artefact.expiresAt = ArtefactRules.expiry(of: url, after: now)
            // The new URL may work for seconds only.
            if artefact.attempts < 10 { artefact.nextAt = now }
        case .url where artefact.attempts < ArtefactRules.attemptsAtDeadURL && now < end,
            .none where artefact.attempts < ArtefactRules.attemptsAtDeadURL && now < end,
            // The provider could not be asked, which says nothing about the file.
            .unknown where now < end + ArtefactRules.patience:
            break
        case .url, .none, .unknown:
            artefact.state = .gone
            logger.warning(
                "A result of \(artefact.id.task) cannot be fetched any more: \(failure.message) The provider names no other URL."
            )
        }
    }
}
