import TaskModel
import VerbatimJSON

extension DeclaredDialect {
    /// What the gateway needs beyond the calls and rules of the endpoint, under `gateway` of its definition.
    struct GatewayForms: Sendable, Hashable {
        /// The reply to a submission that the provider has not answered yet, and its status.
        var accepted: GatewayTemplate?
        var status = 200
        /// The record of a task that the provider has not described yet; if absent, the reply to its submission is one.
        var pending: GatewayTemplate?
        /// The record of a task that has succeeded, where the stored one is the fetched result.
        var succeeded: GatewayTemplate?
        /// The record of a task that failed without one.
        var failed: GatewayTemplate?
        /// The callback about a task that has succeeded, and about one that has failed, where it is not the record.
        var callback: GatewayTemplate?
        var failedCallback: GatewayTemplate?
        /// Paths of requests that the endpoint itself sends to addresses from replies.
        var poll: Template?
        var result: Template?
        var cancel: Template?
        /// The member that is true in a request for an id. Without it, a request wants the result.
        var asynchronousIf: String?
        /// A request with one of these members is not a submission. It passes through.
        var passedIf = JSONObject()
        /// A text that is part of every id.
        var idPart: String?
    }

    var gateway: any GatewayDialect { DeclaredGateway(dialect: self) }
}

/// Recognises requests by the calls of a definition, and answers by its templates.
struct DeclaredGateway: GatewayDialect {
    let dialect: DeclaredDialect
    private var forms: DeclaredDialect.GatewayForms { dialect.forms }

    func reads(_ path: String) -> Bool { dialect.submit.path?.values(in: path) != nil }

    func match(_ request: IncomingRequest) -> (operation: GatewayOperation, specificity: Int)? {
        submission(request)
            ?? query(request, forms.poll ?? dialect.poll?.path, dialect.poll?.method ?? "GET") { .poll($0) }
            ?? query(request, forms.result ?? dialect.result?.call?.path, dialect.result?.call?.method ?? "GET") {
                .result($0)
            }
            ?? query(request, forms.cancel ?? dialect.cancel?.call.path, dialect.cancel?.call.method ?? "PUT") {
                .cancel($0)
            }
    }

    private func submission(_ request: IncomingRequest) -> (operation: GatewayOperation, specificity: Int)? {
        guard request.method == dialect.submit.method, let path = dialect.submit.path, let fields = request.fields,
            let named = path.values(in: request.path),
            // The endpoint could not send a member that has the name of a place.
            !named.keys.contains(where: { fields[$0] != nil }),
            !forms.passedIf.members.contains(where: { fields[$0.name] == $0.value })
        else { return nil }
        let places = named.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
        var members = JSONObject(places + fields.members.map { ($0.name, $0.value) })
        var isInline = request.wait != nil
        if let flag = forms.asynchronousIf, fields[flag] != true {
            isInline = true
            // The endpoint sends its own.
            members[flag] = nil
        }
        return (.submit(members, isInline: isInline), path.literalLength)
    }

    private func query(
        _ request: IncomingRequest, _ path: Template?, _ method: String,
        _ operation: (RemoteTaskID) -> GatewayOperation
    ) -> (operation: GatewayOperation, specificity: Int)? {
        guard request.method == method, let path, let id = path.values(in: request.path)?["id"],
            forms.idPart.map({ id.contains($0) }) ?? true, let id = RemoteTaskID(id)
        else { return nil }
        return (operation(id), path.literalLength)
    }

    func accepted(_ task: GatewayTask) -> GatewayReply {
        GatewayReply(status: forms.status, filled(forms.accepted, for: task) ?? minimal(task))
    }

    func record(_ task: GatewayTask) -> JSONValue {
        switch task.phase {
        case .pending:
            return task.record ?? filled(forms.pending, for: task) ?? task.acceptance
                ?? filled(forms.accepted, for: task) ?? minimal(task)
        case .succeeded:
            return dialect.resultFetching == nil
                ? task.record ?? minimal(task) : filled(forms.succeeded, for: task) ?? task.record ?? minimal(task)
        case .failed:
            if dialect.resultFetching == nil, task.recordShowsOutcome, let record = task.record { return record }
            return filled(forms.failed, for: task) ?? minimal(task)
        }
    }

    func callback(_ task: GatewayTask) -> JSONValue {
        let form = task.phase == .succeeded ? forms.callback : forms.failedCallback
        return filled(form, for: task) ?? record(task)
    }

    func batch(_ records: [JSONValue]) -> JSONValue { .array(records) }

    func inline(_ task: GatewayTask) -> GatewayReply { GatewayReply(status: forms.status, record(task)) }

    private func filled(_ template: GatewayTemplate?, for task: GatewayTask) -> JSONValue? {
        template?.filled(for: task, idPart: forms.idPart)
    }

    /// The id and the state, at the places that the definition names.
    private func minimal(_ task: GatewayTask) -> JSONValue {
        var document = JSONValue.object(JSONObject())
        for place in [dialect.acceptance.id.first, dialect.recordID.first] {
            if let place { document = document.setting(.string(task.id.text), at: place.tokens) }
        }
        let meaning: StateRule.Meaning
        switch task.phase {
        case .pending: meaning = .pending
        case .succeeded: meaning = .succeeded
        case .failed(let failure):
            meaning = .failed
            if let place = dialect.errorCode.first {
                document = document.setting(.string(failure.code), at: place.tokens)
            }
            if let place = dialect.errorMessage.first {
                document = document.setting(.string(failure.message), at: place.tokens)
            }
        }
        for rule in dialect.states {
            guard let place = rule.at, let word = rule.words.filter({ $0.value == meaning }).keys.min() else {
                continue
            }
            return document.setting(.string(word), at: place.tokens)
        }
        return document
    }

    func pollDelay(_ wait: Duration) -> (name: String, value: String)? {
        guard let place = dialect.wait, let header = place.header else { return nil }
        let milliseconds = max(wait.wholeMilliseconds, 0)
        return (header, "\(place.unit == .milliseconds ? milliseconds : (milliseconds + 999) / 1_000)")
    }

    var callbackParameter: String? {
        if case .query(let name) = dialect.callback?.place { name } else { nil }
    }

    var resultIsFile: Bool { dialect.result?.isFile ?? false }
}

extension JSONValue {
    /// The document with that value at a path of names; unchanged if the path leads into something that is no object.
    fileprivate func setting(_ value: JSONValue, at path: [String]) -> JSONValue {
        guard let name = path.first else { return value }
        guard case .object(var object) = self, name != "*" else { return self }
        object[name] = (object[name] ?? .object(JSONObject())).setting(value, at: Array(path.dropFirst()))
        return .object(object)
    }
}
