import ProviderCatalog
package import TaskModel
package import TaskStore

/// Sends queued tasks to their providers, each exactly once.
///
/// The intent of a paid request is on disk before its first byte is sent. A reply that proves nothing leads to
/// `uncertain`, never to another attempt.
package struct Submitter: Worker {
    /// A task whose intent is on disk, or one whose earlier attempts are searched for first.
    package struct Work: Sendable {
        let task: TrackedTask
        let profile: EndpointProfile
        /// The callback URL of the request; nil if the provider does not call back.
        var callbackURL: String?
        /// Whether an earlier attempt may have been accepted, so that its intent is not on disk yet.
        var isResubmission = false
        /// Memory for the reply, held until that is recorded.
        var replyRoom = ReplyRoom()
    }

    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let admission: AdmissionControl
    let storage: StorageMonitor
    let starter: AttemptStarter
    let resubmitter: Resubmitter
    let sender: SubmissionSender
    let feed: EventFeed
    let random: EngineRandom
    let wakes: WakeSignals

    package var wake: WakeSignal { wakes.submitter }

    package func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        // A stopping daemon sends no paid request.
        guard !feed.isClosing else { return now + .seconds(60) }
        try await storage.settleUnknownClaims(at: now)
        var load = try await admission.load()
        var comeBack = now + .seconds(60)
        var open: [ServiceName: [EndpointProfile]] = [:]
        let queued = load.queued.compactMap { catalog.endpoint($0) }
        try await admission.leases.acquire(for: queued, at: now)
        for profile in queued {
            if let block = admission.block(on: profile, at: now) {
                comeBack = min(comeBack, block.until ?? comeBack)
            } else {
                open[profile.name.service, default: []].append(profile)
            }
        }
        // In random order, so that no service is always served last. Sorted first, since the order of a dictionary differs
        // from run to run.
        let services = open.keys.sorted()
        for service in random.draw({ services.shuffled(using: &$0) }) where admission.room(under: load) > 0 {
            guard let profiles = open[service] else { continue }
            let next = try await claim(of: profiles, under: &load, into: &work, at: now)
            comeBack = min(comeBack, next ?? comeBack)
        }
        return comeBack
    }

    /// Claims what may go on the endpoints of one service, which share its limits. Returns when more may.
    private func claim(
        of profiles: [EndpointProfile], under load: inout TaskLoad, into work: inout [Work], at now: Timestamp
    ) async throws(TaskStoreError) -> Timestamp? {
        guard let first = profiles.first else { return nil }
        let room = admission.room(for: first, under: load)
        let resubmission = load.resubmission(of: first.name.service)
        var candidates: [(task: TrackedTask, profile: EndpointProfile)] = []
        var comeBack: Timestamp?
        // As many as can go, and one more to find the time when the rate allows it.
        let most = min(room, admission.tokens(for: first).map { $0 + 1 } ?? room)
        for profile in profiles {
            if most > 0 {
                let ready = try await store.queued(
                    on: profile.name, after: admission.startCheck.scope(of: profile.name)?.mark, at: now,
                    limit: resubmission == nil ? most : most + 1)
                candidates += ready.filter { $0.id != resubmission }.map { ($0, profile) }
            }
            if let next = try await store.nextQueued(on: profile.name, after: now) {
                comeBack = min(comeBack ?? next, next)
            }
        }
        // By priority, then age, over all endpoints of the service. Those of one endpoint come in this order already.
        let inOrder = candidates.enumerated().sorted { left, right in
            let (one, other) = (left.element.task, right.element.task)
            return (other.priority, one.createdAt, left.offset) < (one.priority, other.createdAt, right.offset)
        }
        for (task, profile) in inOrder.prefix(max(room, 0)).map(\.element) {
            switch admission.admit(task, of: profile, under: load, at: now) {
            case .granted(let replyRoom):
                guard let started = try await starter.start(task, of: profile, holding: replyRoom, at: now) else {
                    continue
                }
                work.append(started)
                load.noteSubmission(of: task.endpoint.service)
            case .afterLookup:
                work.append(Work(task: task, profile: profile, isResubmission: true))
                load.noteResubmission(of: task.id, service: task.endpoint.service)
            case .blocked(let block):
                guard let until = block.until else { continue }
                return min(comeBack ?? until, until)
            }
        }
        return comeBack
    }

    package func perform(_ work: Work) async {
        guard work.isResubmission else { return await sender.submit(work) }
        let started = await resubmitter.start(work)
        admission.resubmissions.end(of: work.profile.name.service)
        wakes.submitter.signal()
        if let started { await sender.submit(started) }
    }
}
