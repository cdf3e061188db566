import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Collects how an endpoint's list echoes requests, from accepted tasks.
struct ListEvidence: Sendable {
    /// An accepted task that the list shows as it was sent. Such a list would also show a lost task.
    struct Control: Sendable {
        /// The members of its request.
        let names: Set<String>
        let hasCallback: Bool
        /// When it was sent at the earliest, and when it was accepted.
        let window: ClosedRange<Timestamp>
    }

    private(set) var controls: [Control] = []
    /// The values of members that records show but requests lacked: the provider's defaults.
    private(set) var defaults: [RequestEcho.Path: [JSONValue]] = [:]
    /// Paths where a control's text was echoed verbatim, with the scripts of each text.
    private(set) var verbatim: [RequestEcho.Path: [Set<Script>]] = [:]

    init(
        controls: [Control] = [], defaults: [RequestEcho.Path: [JSONValue]] = [:],
        verbatim: [RequestEcho.Path: [Set<Script>]] = [:]
    ) {
        self.controls = controls
        self.defaults = defaults
        self.verbatim = verbatim
    }

    /// Collects evidence from accepted tasks: from their stored records and from their records in the account's list.
    /// Only tasks of the account count for its list.
    init(
        accepted: [(attempt: LostAttempt, stored: TaskWithPayload)], in reading: [ListedTask],
        _ profile: EndpointProfile, of account: AccountName
    ) {
        let shown = Dictionary(reading.map { ($0.remoteID, $0) }) { first, _ in first }
        for (attempt, stored) in accepted {
            let kept = stored.payload.response.flatMap { profile.listing?.task(in: $0) }?.request.object
            let record = stored.task.remoteID.flatMap { shown[$0] }
            for echo in [kept, record?.request.object].compactMap(\.self) {
                learnDefaults(from: RequestEcho(echo), of: attempt)
            }
            if let record, let acceptedAt = stored.task.submittedAt, stored.task.account == account {
                learnControl(attempt, record, acceptedAt)
            }
        }
    }

    /// Whether the list shows an admitted task that was accepted near the attempt and whose request has all of its members.
    func hasControl(
        for attempt: LostAttempt, acceptedWithin span: Duration, of startedAt: Timestamp,
        where isAdmitted: (Control) -> Bool
    ) -> Bool {
        controls.contains { control in
            attempt.request.names.isSubset(of: control.names) && (attempt.callback == nil || control.hasCallback)
                && abs((control.window.upperBound - startedAt).inSeconds) <= span.inSeconds && isAdmitted(control)
        }
    }

    /// Whether the value is a known default of the provider at that path.
    func explains(_ value: JSONValue, at path: RequestEcho.Path) -> Bool {
        defaults[path]?.contains(where: value.isEquivalent(to:)) ?? false
    }

    /// Whether the endpoint is known to echo text in these scripts verbatim at that path.
    func echoesVerbatim(_ text: PromptText, at path: RequestEcho.Path) -> Bool {
        verbatim[path]?.contains(where: text.scripts.isSubset(of:)) ?? false
    }

    private mutating func learnDefaults(from echo: RequestEcho, of attempt: LostAttempt) {
        let sent = attempt.request
        for (path, value) in sent.additions(in: echo.without(attempt.addedNames)) where !explains(value, at: path) {
            defaults[path, default: []].append(value)
        }
    }

    private mutating func learnControl(_ attempt: LostAttempt, _ record: ListedTask, _ acceptedAt: Timestamp) {
        let record = SubmissionMatcher.Record(record)
        guard SubmissionMatcher.isSame(record, attempt, by: nil) else { return }
        controls.append(
            Control(
                names: attempt.request.names, hasCallback: attempt.callback != nil,
                window: min(attempt.window.lowerBound, acceptedAt)...acceptedAt))
        for (path, value) in attempt.request.leaves {
            guard let text = value.string, record.echo?.leaves[path]?.string == text else { continue }
            verbatim[path, default: []].append(Script.scripts(of: text))
        }
    }
}
