import Foundation
import LocalAPIContract
import Testing
import VerbatimJSON

/// Compares how each document reads its sample, and the sample with one member changed, with a recorded file.
///
/// The file is the wire format: member order, defaults, error messages and their paths. `POLLUX_RECORD_FORMS=1` writes
/// it again. Read the difference before you commit it.
@Suite struct DocumentFormTests {
    private static let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/forms.txt")

    @Test func `every document is read and written as recorded`() throws {
        let lines = try DocumentForm.all.flatMap { try $0.outcomes() }
        if ProcessInfo.processInfo.environment["POLLUX_RECORD_FORMS"] != nil {
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: Self.file)
        }
        let recorded = try String(contentsOf: Self.file, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(lines.count == recorded.count)
        for (line, expected) in zip(lines, recorded) where line != expected {
            Issue.record("now:      \(line)\nrecorded: \(expected)")
        }
    }
}

/// A kind of document: a sample with all members, and a function that reads and writes it.
private struct DocumentForm: Sendable {
    let name: String
    let sample: JSONValue
    /// Members that pass unchanged. The test changes nothing inside them.
    let verbatim: Set<String>
    let rewritten: @Sendable (JSONValue) throws -> JSONValue

    init(
        _ name: String, _ sample: String, verbatim: Set<String> = [],
        _ rewritten: @escaping @Sendable (JSONValue) throws -> JSONValue
    ) {
        self.name = name
        self.sample = (try? JSONValue(parsing: sample)) ?? .null
        self.verbatim = verbatim
        self.rewritten = rewritten
    }

    /// The rewritten sample, then a line for each outcome of changing a member.
    func outcomes() throws -> [String] {
        let whole = try rewritten(sample)
        var lines = ["\(name) = \(whole.text)"]
        for path in places(in: sample, at: []) {
            var outcomes: [(outcome: String, changes: [String])] = []
            for change in Self.changes {
                let outcome = try outcome(of: sample.setting(change, at: path[...]), whole: whole)
                let index = outcomes.firstIndex { $0.outcome == outcome } ?? outcomes.endIndex
                if index == outcomes.endIndex { outcomes.append((outcome, [])) }
                outcomes[index].changes.append(change?.text ?? "none")
            }
            lines += outcomes.map { outcome, changes in
                "\(name).\(path.joined(separator: ".")) <- \(changes.joined(separator: " | ")): \(outcome)"
            }
        }
        guard case .object(let object) = sample else { return lines }
        for stranger in ["stranger", "dedline", "labls"] {
            var object = object
            object[stranger] = 1
            lines.append("\(name) + \(stranger): \(try outcome(of: .object(object), whole: whole))")
        }
        return lines
    }

    /// The differences from the rewritten sample, or the error.
    private func outcome(of changed: JSONValue, whole: JSONValue) throws -> String {
        do {
            return whole.differences(from: try rewritten(changed), at: "").joined(separator: "; ")
        } catch let error as ContractError {
            return "\(error.code) \(error.message)"
        }
    }

    private func places(in value: JSONValue, at path: [String]) -> [[String]] {
        var places = path.isEmpty ? [] : [path]
        if let last = path.last, verbatim.contains(last) { return places }
        for member in value.object?.members ?? [] { places += self.places(in: member.value, at: path + [member.name]) }
        for (index, element) in (value.array ?? []).enumerated() {
            places += self.places(in: element, at: path + ["\(index)"])
        }
        return places
    }

    private static let changes: [JSONValue?] = [
        nil, .null, true, 7, .number(JSONNumber(1.5) ?? JSONNumber(1)), -5000, "x", "", [], [1], [:], ["x": 1],
    ]

    private static let amount = #"{"micros":40000,"unit":"USD","amount":"0.04"}"#
    private static let spendRow =
        #"{"key":"k","attempts":3,"unpriced":1,"spent":[\#(amount)],"reserved":[\#(amount)]}"#
    private static let budget =
        #"{"name":"b","per":"day","time_zone":"UTC","scope":{"label":"project"},"limit":\#(amount),"#
        + #""settings_limit":\#(amount),"on_exceed":"hold","unpriced":"allow","warn_at":0.8,"period_start":"s","#
        + #""period_end":"e","shares":[{"value":"web","spent":\#(amount),"reserved":\#(amount),"left":\#(amount)}]}"#

    static let all: [DocumentForm] = [
        DocumentForm("task", task, verbatim: ["request", "response", "value"]) { try TaskDocument(json: $0).json },
        DocumentForm("bare", bareTask) { try TaskDocument(json: $0).json },
        DocumentForm("tasks", #"{"tasks":[\#(bareTask)],"next_cursor":"c"}"#) { try TaskPage(json: $0).json },
        DocumentForm("endpoint", endpoint, verbatim: ["example"]) { try EndpointDocument(json: $0).json },
        DocumentForm(
            "spend",
            #"{"by":"label.a","since":"s","until":"u","rows":[\#(spendRow)],"total":\#(spendRow)}"#
        ) { try SpendDocument(json: $0).json },
        DocumentForm("budgets", #"{"budgets":[\#(budget)]}"#) { try BudgetPage(json: $0).json },
        DocumentForm("budget request", #"{"limit":"20"}"#) { try BudgetRequestDocument(json: $0).json },
        DocumentForm("bare endpoint", #"{"name":"a/b","state":"open"}"#) { try EndpointDocument(json: $0).json },
        DocumentForm("endpoints", #"{"endpoints":[{"name":"a/b","state":"open"}]}"#) {
            try EndpointPage(json: $0).json
        },
        DocumentForm(
            "events",
            #"{"events":[{"sequence":1,"task_id":"x","at":"t","kind":"created","from":"a","to":"b","detail":{"p":1.0}}],"removed_at":"r"}"#,
            verbatim: ["detail"]
        ) { try EventPage(json: $0).json },
        DocumentForm(
            "stream event",
            #"{"id":"e-1","sequence":1,"task_id":"x","at":"t","kind":"created","from":"a","to":"b","detail":{"p":1.0},"task":\#(bareTask)}"#,
            verbatim: ["detail"]
        ) { try StreamEventDocument(json: $0).json },
        DocumentForm("stream control", #"{"control":"reset","reason":"pruned","oldest":"e-1","newest":"e-9"}"#) {
            try StreamControlDocument(json: $0).json
        },
        DocumentForm("status", status) { try StatusDocument(json: $0).json },
        DocumentForm("health", #"{"status":"ok"}"#) { try HealthDocument(json: $0).json },
        DocumentForm(
            "problem",
            #"{"type":"t:x","title":"T","status":409,"detail":"D.","code":"c","fields":["a"],"nearest":{"z":1.0}}"#,
            verbatim: ["fields", "nearest"]
        ) { try ProblemDocument(json: $0).json },
        DocumentForm("submit", submit, verbatim: ["request"]) { try SubmitDocument(json: $0).json },
        DocumentForm("adopt", adopt) { try AdoptDocument(json: $0).json },
        DocumentForm("resolve", #"{"as":"adopt","remote_id":"r"}"#) { try ResolveDocument(json: $0).json },
        DocumentForm("resubmit", #"{"as":"resubmit"}"#) { try ResolveDocument(json: $0).json },
        DocumentForm("give up", #"{"as":"give_up","remote_id":null}"#) { try ResolveDocument(json: $0).json },
        DocumentForm("back up", #"{"directory":"/d"}"#) { try BackupRequestDocument(json: $0).json },
        DocumentForm("backup", #"{"path":"/d/b","size_bytes":4096,"created_at":"t"}"#) {
            try BackupDocument(json: $0).json
        },
        DocumentForm(
            "doctor",
            #"{"troubles":1,"checks":[{"check":"clock","subject":"p","result":"trouble","message":"It is late."}]}"#
        ) { try DoctorDocument(json: $0).json },
        DocumentForm(
            "reload", #"{"settings":{"digest":"d","loaded_at":"t"},"changed":["a.b","c"],"warnings":["W."]}"#
        ) { try ReloadDocument(json: $0).json },
        DocumentForm(
            "gateway",
            #"{"url":"u","tokens":[{"name":"n","created_at":"t"}],"providers":[{"name":"p","url":"u","environment":{"A":"b"}}]}"#
        ) { try GatewayDocument(json: $0).json },
        DocumentForm("gateway token", #"{"name":"n","token":"t"}"#) { try GatewayTokenDocument(json: $0).json },
        DocumentForm("add gateway token", #"{"name":"n"}"#) { try GatewayTokenRequestDocument(json: $0).json },
        DocumentForm("dashboard login", #"{"url":"u","read_only":true,"expires_at":"t"}"#) {
            try DashboardLoginDocument(json: $0).json
        },
        DocumentForm("open dashboard", #"{"read_only":true}"#) { try DashboardLoginRequestDocument(json: $0).json },
        DocumentForm("task count", #"{"count":1,"complete":false}"#) { try TaskCountDocument(json: $0).json },
        DocumentForm("labels", #"{"texts":["a"]}"#) { try LabelPage(json: $0).json },
        DocumentForm("prune", #"{"dry_run":true}"#) { try PruneRequestDocument(json: $0).json },
        DocumentForm(
            "pruned",
            #"{"configured":true,"dry_run":true,"complete":false,"tasks":1,"responses":2,"events":3,"idempotency_keys":4,"#
                + #""stubs":6,"ledger":9,"files":7,"file_bytes":8,"bytes":5}"#
        ) { try PruneDocument(json: $0).json },
        DocumentForm("reconcile", #"{"since":"t","provider":"p","adopt":true}"#) {
            try ReconcileRequestDocument(json: $0).json
        },
        DocumentForm(
            "reconciled",
            #"{"since":"t","began":"t","complete":false,"agrees":false,"known":1,"in_flight":2,"orphan_count":3,"#
                + #""orphans":[{"provider":"p","account":"a","remote_id":"r","created_at":"t","prompt":"w","endpoint":"a/b","#
                + #""uncertain_tasks":["x"],"task_id":"y","problem":"w"}],"ghost_count":4,"ghosts":[{"task_id":"x","#
                + #""endpoint":"a/b","account":"a","remote_id":"r","state":"running","submitted_at":"t"}],"#
                + #""price_difference_count":1,"price_differences":[{"task_id":"x","attempt":1,"account":"a","remote_id":"r","#
                + #""recorded":{"micros":2,"unit":"USD","amount":"0.000002"},"#
                + #""counted":{"micros":1,"unit":"USD","amount":"0.000001"},"settled":true}],"unjudged":5,"#
                + #""lists":[{"provider":"p","account":"a","services":["a"],"condition":"read","records":6}]}"#
        ) { try ReconcileDocument(json: $0).json },
        DocumentForm("destinations", destinations) { try DestinationPage(json: $0).json },
        DocumentForm(
            "dead letters",
            #"{"dead_letters":[{"destination":"d","sequence":7,"task_id":"x","type":"t","at":"a","attempts":10,"#
                + #""tried_at":"b","status":422,"reason":"r","answer":"w"}]}"#
        ) { try DeadLetterPage(json: $0).json },
        DocumentForm("replay a task", #"{"task":"x","since":null}"#) { try ReplayRequestDocument(json: $0).json },
        DocumentForm("replay since", #"{"since":"t"}"#) { try ReplayRequestDocument(json: $0).json },
        DocumentForm("replay the dead", #"{"dead":true}"#) { try ReplayRequestDocument(json: $0).json },
        DocumentForm("replayed", #"{"destination":"d","events":3}"#) { try ReplayDocument(json: $0).json },
        DocumentForm(
            "tested", #"{"destination":"d","delivered":false,"status":503,"reason":"r","answer":"w"}"#
        ) { try DeliveryTestDocument(json: $0).json },
        DocumentForm("line", bareTask) { try BatchLine(json: $0).json },
        DocumentForm("bad line", #"{"status":409,"code":"c"}"#) { try BatchLine(json: $0).json },
    ]

    private static let bareTask = #"{"id":"x","endpoint":"a/b","state":"queued","created_at":"c"}"#
    private static let task =
        #"{"id":"x","endpoint":"a/b","state":"running","partial":true,"remote_id":"r","trace_id":"t","#
        + #""labels":{"b":"2","a":"1"},"priority":2,"request":{"n":1.0,"a":12345678901234567890},"#
        + #""response":{"b":[1.50]},"results":[{"kind":"url","pointer":"/u","value":{"v":1.0},"#
        + #""media_type":"image/png","size_bytes":3,"artefact":{"state":"saved","sha256":"h","size_bytes":4,"#
        + #""media_type":"image/png","path":"p","playlist":true,"delivered_at":"d","error":"e","attempts":2,"#
        + #""expires_at":"x"}}],"error":{"code":"busy","message":"Busy.","#
        + #""http_status":429,"hint":"Wait."},"progress":35.5,"eta":{"p50":"p","p90":"q"},"#
        + #""slower_than_usual_since":"s","created_at":"c","submitted_at":"su","started_at":"st","#
        + #""finished_at":"f","ended_at":"e","not_before":"n","deadline":"d","next_poll_at":"np","attempts":1,"#
        + #""polls":4,"on_uncertain":"fail","resolution":"adopted","outcome_source":"poll","#
        + #""callback":{"receiver":"pollux","deliveries":2,"latest_at":"l"},"#
        + #""waiting_for":{"code":"budget","message":"Full.","budget":"b","missing":{"micros":1,"unit":"USD","amount":"0.000001"}},"capture":false,"note":"n","retry_of":"y","notify":"d","pinned":true,"#
        + #""removed":{"at":"r","request":true,"response":true,"events":true}}"#
    private static let endpoint =
        #"{"name":"a/b","provider":"p","kind":"image","answers":"inline","batch_size":50,"listing":"documented","#
        + #""example":{"n":1.0},"state":"paused","until":"u","reason":"r","in_flight":1,"queued":2,"uncertain":3,"#
        + #""max_in_flight":4,"submits_per_second":0.5,"typical_seconds":60,"#
        + #""learned":{"p50_seconds":40.25,"p90_seconds":80,"samples":12,"curve":[{"seconds":1.5,"ended":0.25}]},"finished":4,"calls_per_task":1.5,"#
        + #""mean_lateness_seconds":0.5,"throttled":2,"polls":7,"polls_per_minute":1.5,"#
        + #""last_error":{"code":"busy","message":"m","http_status":429,"at":"t"},"#
        + #""callbacks":{"expected":5,"came":4,"missing":1,"trust":0.8,"mean_delay_seconds":1.25},"#
        + #""unrecognised":{"count":3,"last_shape":"{phase}","last_at":"t"},"#
        + #""price":{"unit":"USD","words":"w","origin":"definition","source":"s","as_of":"d"}}"#
    private static let status =
        #"{"version":"0.1.0","pid":7,"started_at":"t","uptime_seconds":1.5,"tasks":{"running":3,"resting":1},"#
        + #""database":{"path":"/x","size_bytes":4096},"restored":"r","held":"h","#
        + #""settings":{"digest":"d","loaded_at":"t"},"socket":"/s","state_directory":"/d","#
        + #""providers":[{"name":"p","base_url":"https://x","token":"present","state":"paused","reason":"r"}],"#
        + #""artefacts":{"directory":"/a","used_bytes":1,"quota_bytes":2,"waiting":3,"without_room":4},"#
        + #""callbacks":{"listen":"l","public_url":"u","deliveries":1,"unknown_tokens":2,"problem":"p"},"#
        + #""destinations":[{"name":"d","state":"closed","reason":"r","waiting":1,"dead":2}]}"#
    private static let destinations =
        #"{"destinations":[{"name":"d","target":"https://x","events":["task.failed"],"endpoints":["a/b"],"#
        + #""labels":{"l":"v"},"include":["results"],"signed":true,"state":"closed","closed_at":"c","not_before":"n","#
        + #""waiting":1,"dead":2,"behind":3,"last_failure":{"at":"a","status":503,"reason":"r"}}]}"#
    private static let submit =
        #"{"endpoint":"a/b","request":{"n":1.0},"idempotency_key":"k","labels":{"b":"2","a":"1"},"priority":-5,"#
        + #""not_before":"n","deadline":"d","on_uncertain":"fail","capture":false,"note":"n","notify":"d"}"#
    private static let adopt =
        #"{"endpoint":"a/b","remote_id":"r","labels":{"b":"2","a":"1"},"priority":3,"deadline":"d"}"#
}

extension JSONValue {
    /// The document with another value at that path; nil removes the member.
    fileprivate func setting(_ value: JSONValue?, at path: ArraySlice<String>) -> JSONValue {
        guard let name = path.first else { return value ?? .null }
        let rest = path.dropFirst()
        switch self {
        case .object(var object):
            object[name] = rest.isEmpty ? value : object[name]?.setting(value, at: rest)
            return .object(object)
        case .array(var elements):
            guard let index = Int(name), elements.indices.contains(index) else { return self }
            if rest.isEmpty, value == nil {
                elements.remove(at: index)
            } else {
                elements[index] = elements[index].setting(value, at: rest)
            }
            return .array(elements)
        default:
            return self
        }
    }

    /// The paths where the other document differs, with its values.
    fileprivate func differences(from other: JSONValue, at path: String) -> [String] {
        if self == other { return [] }
        guard case .object(let own) = self, case .object(let others) = other, own.names == others.names else {
            return ["\(path) = \(other.text)"]
        }
        return zip(own.members, others.members).flatMap {
            $0.value.differences(from: $1.value, at: "\(path)/\($0.name)")
        }
    }
}
