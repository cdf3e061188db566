import ProviderCatalog
package import TaskModel
package import TaskStore

/// Sends queued tasks to their providers, each exactly once.
///
/// The intent of a paid request is on disk before its first byte is sent. A reply that proves nothing leads to
/// `uncertain`, never to another attempt.
package struct Submitter: Worker {
    /// A task whose intent is on disk, or one whose earlier attempts are searched first.
    package struct Work: Sendable {
        let task: TrackedTask
        /// The endpoint as the sending account uses it.
        let endpoint: AccountEndpoint
        /// The callback URL of the request; nil if the request has none.
        var callbackURL: String?
        /// Whether an earlier attempt may have been accepted, so that its intent is not on disk yet.
        var isResubmission = false
        /// Whether the request may be sent, from before its intent was stored.
        var permit = SendPermit()
        /// Memory for the reply, held until the reply is recorded.
        var replyRoom = ReplyRoom()

        var profile: EndpointProfile { endpoint.profile }
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
        var comeBack = now + .seconds(60)
        if !admission.budgets.isEmpty, let next = try await store.freeHeldTasks(at: now) {
            comeBack = min(comeBack, max(next, now))
        }
        var load = try await admission.load()
        var open: [ServiceName: [EndpointProfile]] = [:]
        let queued = load.queued.compactMap { catalog.endpoint($0) }
        let owners = queued.flatMap { admission.endpoints($0) }.map(\.owner)
        try await admission.leases.acquire(owners, at: now)
        for profile in queued {
            if let block = admission.block(on: profile, at: now) {
                comeBack = min(comeBack, block.until ?? comeBack)
            } else {
                open[profile.name.service, default: []].append(profile)
            }
        }
        // The order is random, so that no service is always last. The names are sorted first, because the order of a
        // dictionary differs between runs.
        let services = open.keys.sorted()
        for service in random.draw({ services.shuffled(using: &$0) }) where admission.room(under: load) > 0 {
            guard let profiles = open[service] else { continue }
            let next = try await claim(of: profiles, under: &load, into: &work, at: now)
            comeBack = min(comeBack, next ?? comeBack)
        }
        return comeBack
    }

    /// Claims tasks on the endpoints of one service, which share its limits. Returns when more may be claimed.
    private func claim(
        of profiles: [EndpointProfile], under load: inout TaskLoad, into work: inout [Work], at now: Timestamp
    ) async throws(TaskStoreError) -> Timestamp? {
        guard let service = profiles.first?.name.service else { return nil }
        var open: [EndpointName: [AccountEndpoint]] = [:]
        var comeBack: Timestamp?
        for profile in profiles {
            for endpoint in admission.endpoints(profile) {
                if let block = admission.block(on: endpoint, at: now) {
                    comeBack = [comeBack, block.until].compactMap(\.self).min()
                } else {
                    open[profile.name, default: []].append(endpoint)
                }
            }
        }
        let room = room(of: open, under: load)
        let resubmissions = load.resubmissions(of: service)
        var candidates: [(task: TrackedTask, profile: EndpointProfile)] = []
        for profile in profiles {
            if room.most > 0 {
                let ready = try await store.queued(
                    on: profile.name, after: admission.startCheck.scope(of: profile.name)?.mark, at: now,
                    limit: room.most + resubmissions.count)
                candidates += ready.filter { !resubmissions.contains($0.id) }.map { ($0, profile) }
            }
            if let next = try await store.nextQueued(on: profile.name, after: now) {
                comeBack = min(comeBack ?? next, next)
            }
        }
        // Sorts by priority, then age, over all endpoints of the service. Those of one endpoint are already in this
        // order.
        let inOrder = candidates.enumerated().sorted { left, right in
            let (one, other) = (left.element.task, right.element.task)
            return (other.priority, one.createdAt, left.offset) < (one.priority, other.createdAt, right.offset)
        }
        var waiting: [TaskID] = []
        for (task, profile) in inOrder.prefix(room.places).map(\.element) {
            if admission.waitsForItsAccount(task, of: profile, among: open[profile.name] ?? [], under: load) {
                waiting.append(task.id)
            }
            // An account whose turn comes later leaves the task to other accounts.
            while let endpoint = admission.account(for: task, among: open[profile.name] ?? [], under: load) {
                let admitted = admission.admit(task, of: endpoint, under: load, at: now)
                guard case .blocked(let block) = admitted, let until = block.until else {
                    try await start(task, of: endpoint, admitted, under: &load, into: &work, at: now)
                    break
                }
                comeBack = min(comeBack ?? until, until)
                for name in open.keys { open[name]?.removeAll { $0.account == endpoint.account } }
            }
            if open.values.allSatisfy(\.isEmpty) { break }
        }
        if !waiting.isEmpty {
            // They are postponed, so that they do not block the head of the queue.
            try await store.postpone(waiting, until: now + .seconds(15))
            comeBack = min(comeBack ?? now + .seconds(15), now + .seconds(15))
        }
        return comeBack
    }

    /// The number of tasks that the accounts of a service may take now, and the number to read for that.
    private func room(
        of open: [EndpointName: [AccountEndpoint]], under load: TaskLoad
    ) -> (places: Int, most: Int) {
        var (places, tokens) = (0, 0 as Int?)
        var counted: Set<AccountName> = []
        // All endpoints of the service share its limits.
        for endpoint in open.values.joined() where counted.insert(endpoint.account).inserted {
            places += max(admission.room(for: endpoint, under: load), 0)
            let own = admission.tokens(for: endpoint)
            tokens = tokens.flatMap { sum in own.map { sum + $0 } }
        }
        places = min(places, max(admission.room(under: load), 0))
        // Reads one more than the rates allow, to find when they allow it.
        return (places, min(places, tokens.map { $0 + counted.count } ?? places))
    }

    /// Starts the admitted tasks.
    private func start(
        _ task: TrackedTask, of endpoint: AccountEndpoint, _ admitted: Admission, under load: inout TaskLoad,
        into work: inout [Work], at now: Timestamp
    ) async throws(TaskStoreError) {
        switch admitted {
        case .granted(let replyRoom):
            switch try await starter.start(task, of: endpoint, holding: replyRoom, at: now) {
            case .started(let started):
                work.append(started)
                load.noteSubmission(of: endpoint.service)
            // The tasks behind it may have room.
            case .held: wakes.submitter.signal()
            case .none: break
            }
        case .afterLookup:
            work.append(Work(task: task, endpoint: endpoint, isResubmission: true))
            load.noteResubmission(of: task.id, service: endpoint.service)
        case .blocked: break
        }
    }

    package func perform(_ work: Work) async {
        guard work.isResubmission else { return await sender.submit(work) }
        let started = await resubmitter.start(work)
        admission.resubmissions.end(of: work.endpoint.service)
        wakes.submitter.signal()
        if let started { await sender.submit(started) }
    }
}
