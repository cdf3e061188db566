import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// What is known of an attempt whose record is looked for in the provider's list.
struct LostAttempt: Sendable {
    /// The mark of one attempt in the request that the provider echoes.
    struct Callback: Sendable {
        /// The member that holds the callback URL.
        let member: String
        let digest: CallbackDigest
    }

    let key: GivenUpAttempt.Key
    let endpoint: EndpointName
    /// The body as it was sent, so far as it is the program's. Whether `async` is echoed is not documented, and it says nothing
    /// about what was asked for.
    let request: RequestEcho
    /// The provider's word for the endpoint's records in lower case, if it has one.
    let recordType: String?
    /// The words for the other endpoints that share the list, in lower case.
    let otherTypes: Set<String>
    /// When the paid request can have reached the provider, by our clock.
    var window: ClosedRange<Timestamp>
    /// A callback URL of ours that was sent, which no other request has.
    let callback: Callback?
    /// The id that it was sent with, and the member that held it.
    let ownID: (member: String, id: RemoteTaskID)?
    /// The texts by which it can be told from other requests.
    let texts: [RequestEcho.Path: PromptText]

    init(
        key: GivenUpAttempt.Key, endpoint: EndpointName, request: JSONObject, recordType: String? = nil,
        otherTypes: Set<String> = [], window: ClosedRange<Timestamp>, callback: Callback? = nil,
        ownID: (member: String, id: RemoteTaskID)? = nil
    ) {
        self.key = key
        self.endpoint = endpoint
        self.request = RequestEcho(request).without(["async"])
        self.recordType = recordType?.lowercased()
        self.otherTypes = Set(otherTypes.map { $0.lowercased() })
        self.window = window
        self.callback = callback
        self.ownID = ownID
        texts = self.request.leaves.compactMapValues { $0.string.flatMap(PromptText.distinctive) }
    }

    /// The names of members that Pollux added to the request.
    var addedNames: Set<String> { Set(["async", callback?.member, ownID?.member].compactMap(\.self)) }
}

extension EngineContext {
    /// The attempt as it is looked for; nil where its request or endpoint is not known.
    func lostAttempt(_ attempt: Attempt, of stored: StoredTask, endedWithDaemon: Bool? = nil) -> LostAttempt? {
        let task = stored.task
        guard let request = stored.payload.request.object, let profile = catalog.endpoint(task.endpoint) else {
            return nil
        }
        let ownID = profile.dialect.ownID(in: request, otherwise: task.id.text)
        return LostAttempt(
            key: GivenUpAttempt.Key(task: task.id, number: attempt.number), endpoint: task.endpoint,
            request: profile.dialect.body(of: request), recordType: profile.recordType,
            otherTypes: otherTypes(than: profile),
            window: window(
                of: attempt, profile,
                endedWithDaemon: endedWithDaemon ?? (task.failure?.code == TaskFailure.daemonStopped)),
            callback: attempt.callback.flatMap { digest in
                profile.dialect.callbackMember.map { LostAttempt.Callback(member: $0, digest: digest) }
            },
            ownID: profile.dialect.ownIDMember.flatMap { member in ownID.map { (member, $0) } })
    }

    /// The latest attempt of the task as it is looked for.
    func lostAttempt(of stored: StoredTask) -> LostAttempt? {
        stored.task.attempt.flatMap { lostAttempt($0, of: stored) }
    }

    /// The provider's words for records of other endpoints in the same list.
    private func otherTypes(than profile: EndpointProfile) -> Set<String> {
        let types = catalog.endpoints.filter { $0.name != profile.name && $0.sharesList(with: profile) }
            .compactMap { $0.recordType?.lowercased() }
        return Set(types).subtracting([profile.recordType?.lowercased()].compactMap(\.self))
    }

    /// When an attempt can have reached the provider, with room for a clock that differs from ours.
    ///
    /// A daemon that died in between sent nothing after its time-out, however late it was started again. One that lived
    /// may have slept with its machine, and sent afterwards.
    func window(of attempt: Attempt, _ profile: EndpointProfile, endedWithDaemon: Bool) -> ClosedRange<Timestamp> {
        let latest = attempt.startedAt + limits.timeout(of: profile)
        let ended = attempt.endedAt ?? latest
        let end = max(endedWithDaemon ? min(ended, latest) : ended, attempt.startedAt)
        let period = attempt.period(until: end)
        return period.lowerBound - limits.clockSkew...period.upperBound + limits.clockSkew
    }
}
