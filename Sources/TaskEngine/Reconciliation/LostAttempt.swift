import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// The search criteria for an attempt whose record may be in the provider's list.
struct LostAttempt: Sendable {
    /// The callback of an attempt, which identifies it in an echoed request.
    struct Callback: Sendable {
        /// The request member that contains the callback URL.
        let member: String
        let digest: CallbackDigest
    }

    let key: GivenUpAttempt.Key
    let endpoint: EndpointName
    /// The account that made it; ``AccountName/unknown`` if any may have.
    let account: AccountName
    /// The request body without members that Pollux added. It omits `async`, which providers may or may not echo.
    let request: RequestEcho
    /// The record type of the endpoint in lower case, if it has one.
    let recordType: String?
    /// The record types of other endpoints that share the list, in lower case.
    let otherTypes: Set<String>
    /// When the paid request may have reached the provider, by the local clock.
    var window: ClosedRange<Timestamp>
    /// The callback URL of the request, which is unique to the attempt.
    let callback: Callback?
    /// The client id of the request and its member.
    let ownID: (member: String, id: RemoteTaskID)?
    /// Texts that distinguish the request from others.
    let texts: [RequestEcho.Path: PromptText]

    init(
        key: GivenUpAttempt.Key, endpoint: EndpointName, by account: AccountName, request: JSONObject,
        recordType: String? = nil, otherTypes: Set<String> = [], window: ClosedRange<Timestamp>,
        callback: Callback? = nil,
        ownID: (member: String, id: RemoteTaskID)? = nil
    ) {
        self.key = key
        self.endpoint = endpoint
        self.account = account
        self.request = RequestEcho(request).without(["async"])
        self.recordType = recordType?.lowercased()
        self.otherTypes = Set(otherTypes.map { $0.lowercased() })
        self.window = window
        self.callback = callback
        self.ownID = ownID
        texts = self.request.leaves.compactMapValues { $0.string.flatMap(PromptText.distinctive) }
    }

    /// Whether it was given up. If two requests are equal, an open task takes the only record first.
    var isGivenUp = false

    /// The member of a callback URL that the request had if it was sent from a later state of the database than this copy.
    var possibleCallbackMember: String?

    /// The names of members that Pollux added to the request.
    var addedNames: Set<String> {
        Set(["async", callback?.member ?? possibleCallbackMember, ownID?.member].compactMap(\.self))
    }
}

extension LostAttemptSearch {
    /// The search criteria of an attempt; nil if its request or endpoint is unknown.
    func lostAttempt(
        _ attempt: Attempt, of stored: TaskWithPayload, by account: AccountName, endedWithDaemon: Bool? = nil
    ) -> LostAttempt? {
        let task = stored.task
        guard let request = stored.payload.request.object, let profile = catalog.endpoint(task.endpoint) else {
            return nil
        }
        let ownID = profile.dialect.ownID(in: request, otherwise: task.id.text)
        var lost = LostAttempt(
            key: GivenUpAttempt.Key(task: task.id, number: attempt.number), endpoint: task.endpoint, by: account,
            request: profile.dialect.body(of: request), recordType: profile.recordType,
            otherTypes: otherTypes(than: profile),
            window: window(
                of: attempt, profile,
                endedWithDaemon: endedWithDaemon ?? (task.failure?.code == TaskFailure.daemonStopped)),
            callback: attempt.callback.flatMap { digest in
                profile.dialect.callbackMember.map { LostAttempt.Callback(member: $0, digest: digest) }
            },
            ownID: profile.dialect.ownIDMember.flatMap { member in ownID.map { (member, $0) } })
        if attempt.callback == nil, task.failure?.code == TaskFailure.perhapsSent, !task.hasOwnCallback {
            lost.possibleCallbackMember = profile.dialect.callbackMember
        }
        return lost
    }

    /// The search criteria of the task's latest attempt.
    func lostAttempt(of stored: TaskWithPayload) -> LostAttempt? {
        stored.task.attempt.flatMap { lostAttempt($0, of: stored, by: stored.task.account) }
    }

    /// The search criteria of an attempt that was given up.
    func lostAttempt(of given: GivenUpTask) -> LostAttempt? {
        var lost = lostAttempt(
            given.givenUp.attempt, of: given.stored, by: given.givenUp.account,
            endedWithDaemon: given.givenUp.endedWithDaemon)
        lost?.isGivenUp = true
        return lost
    }

    /// The record types of other endpoints in the same list.
    private func otherTypes(than profile: EndpointProfile) -> Set<String> {
        let types = catalog.endpoints.filter { $0.name != profile.name && $0.sharesList(with: profile) }
            .compactMap { $0.recordType?.lowercased() }
        return Set(types).subtracting([profile.recordType?.lowercased()].compactMap(\.self))
    }

    /// When an attempt may have reached the provider, with a tolerance for clock differences.
    ///
    /// If the daemon died, the attempt sent nothing after its timeout, however late the daemon restarted. Otherwise
    /// the machine may have slept, and the attempt may have sent later.
    func window(of attempt: Attempt, _ profile: EndpointProfile, endedWithDaemon: Bool) -> ClosedRange<Timestamp> {
        let latest = attempt.startedAt + limits.longestTimeout(of: profile)
        let ended = attempt.endedAt ?? latest
        let end = max(endedWithDaemon ? min(ended, latest) : ended, attempt.startedAt)
        let period = attempt.period(until: end)
        return period.lowerBound - limits.clockSkew...period.upperBound + limits.clockSkew
    }
}
