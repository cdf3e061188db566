import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// What the records of accepted tasks of one endpoint tell about how its list echoes requests.
struct ListEvidence: Sendable {
    /// An accepted task whose record the reading shows as it was sent. A list that shows it would show a lost one.
    struct Control: Sendable {
        /// The members that it sent.
        let names: Set<String>
        let hasCallback: Bool
        /// When it was accepted.
        let acceptedAt: Timestamp
    }

    private(set) var controls: [Control] = []
    /// Members that records show though their tasks did not send them, with the values seen: defaults that the provider
    /// fills in.
    private(set) var defaults: [RequestEcho.Path: [JSONValue]] = [:]
    /// Where a control's text came back verbatim, with the scripts of each such text.
    private(set) var verbatim: [RequestEcho.Path: [Set<Script>]] = [:]

    init(
        controls: [Control] = [], defaults: [RequestEcho.Path: [JSONValue]] = [:],
        verbatim: [RequestEcho.Path: [Set<Script>]] = [:]
    ) {
        self.controls = controls
        self.defaults = defaults
        self.verbatim = verbatim
    }

    /// Learns from accepted tasks: from their stored records, and from their records in the reading.
    init(accepted: [(attempt: LostAttempt, stored: StoredTask)], in reading: [ListedTask], _ profile: EndpointProfile) {
        let shown = Dictionary(reading.map { ($0.remoteID, $0) }) { first, _ in first }
        for (attempt, stored) in accepted {
            let kept = stored.payload.response.flatMap { profile.listing?.task(in: $0) }?.request.object
            let record = stored.task.remoteID.flatMap { shown[$0] }
            for echo in [kept, record?.request.object].compactMap(\.self) {
                learnDefaults(from: RequestEcho(echo), of: attempt)
            }
            if let record, let acceptedAt = stored.task.submittedAt { learnControl(attempt, record, acceptedAt) }
        }
    }

    /// Whether the reading shows a task that was accepted near the attempt and sent at least its members.
    func hasControl(for attempt: LostAttempt, acceptedWithin span: Duration, of startedAt: Timestamp) -> Bool {
        controls.contains { control in
            attempt.request.names.isSubset(of: control.names) && (attempt.callback == nil || control.hasCallback)
                && abs((control.acceptedAt - startedAt).inSeconds) <= span.inSeconds
        }
    }

    /// Whether records of this endpoint show the member with that value without its having been sent.
    func explains(_ value: JSONValue, at path: RequestEcho.Path) -> Bool {
        defaults[path]?.contains(where: value.isEquivalent(to:)) ?? false
    }

    /// Whether the endpoint is known to echo texts in these scripts verbatim there.
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
                names: attempt.request.names, hasCallback: attempt.callback != nil, acceptedAt: acceptedAt))
        for (path, value) in attempt.request.leaves {
            guard let text = value.string, record.echo?.leaves[path]?.string == text else { continue }
            verbatim[path, default: []].append(Script.scripts(of: text))
        }
    }
}
