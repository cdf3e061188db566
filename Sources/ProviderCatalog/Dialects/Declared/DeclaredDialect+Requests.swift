import TaskModel
import Text
import VerbatimJSON

extension DeclaredDialect {
    /// Members of the program's request that fill the address or a header field are removed from the body. All others
    /// pass unchanged and in order.
    func submission(
        of request: JSONObject, callbackURL: String?, ownID: String?
    ) throws(RequestProblem) -> UpstreamRequest {
        var request = request
        if let ownIDMember, let ownID, !request.decides(ownIDMember) { request[ownIDMember] = .string(ownID) }
        func text(_ name: String) -> String? { request[name].flatMap(Self.text) }
        var body = request
        for (name, value) in defaults.members.map({ ($0.name, $0.value) }) where !body.decides(name) {
            body[name] = value
        }
        var target = try address(of: submit, text)
        if let callback, let callbackURL {
            switch callback.place {
            case .member(let name):
                if !body.decides(name) { body[name] = .string(callbackURL) }
            case .query(let name):
                target += (target.contains("?") ? "&" : "?") + name + "=" + callbackURL.percentEncoded()
            }
        }
        for name in submit.names { body[name] = nil }
        let headers = try headers(of: submit, text)
        return UpstreamRequest(
            method: submit.method, path: target, headers: headers, body: JSONValue.object(body).utf8)
    }

    func body(of request: JSONObject) -> JSONObject {
        var body = request
        for name in submit.names { body[name] = nil }
        return body
    }

    /// Polls the address that the provider named, if its host is allowed; else the path with the id.
    func lookup(_ id: RemoteTaskID, pollURL: String?) throws(RequestProblem) -> UpstreamRequest {
        if let pollURL, acceptance.namesPollURL {
            do throws(RequestProblem) {
                return try follow(pollURL, field: "poll_url")
            } catch {
                // A provider behind a proxy names its original addresses. If the definition has a path too, that is
                // used.
                guard poll?.path != nil else { throw error }
            }
        }
        guard let poll, poll.path != nil else {
            throw RequestProblem("poll_url", "tasks of this endpoint can only be polled at an address from the reply")
        }
        return try request(poll, id: id)
    }

    // MARK: Filling in

    /// A request to an address that the provider named, with the header fields of the call, by default of polls.
    fileprivate func follow(_ url: String, field: String, by call: Call? = nil) throws(RequestProblem)
        -> UpstreamRequest
    {
        do throws(HostAllowlist.Refusal) { try hosts.check(url) } catch { throw RequestProblem(field, error.message) }
        let fixed = try headers(of: call ?? poll ?? Call(method: "GET")) { _ in nil }
        return UpstreamRequest(method: "GET", path: "", url: url, headers: fixed)
    }

    func request(_ call: Call, id: RemoteTaskID) throws(RequestProblem) -> UpstreamRequest {
        try request(call, values: ["id": id.text], bodyValues: ["id": .string(id.text)])
    }

    fileprivate func request(
        _ call: Call, values: [String: String], bodyValues: [String: JSONValue]
    ) throws(RequestProblem) -> UpstreamRequest {
        UpstreamRequest(
            method: call.method, path: try address(of: call) { values[$0] },
            headers: try headers(of: call) { values[$0] },
            body: call.body.map { $0.filled(bodyValues).utf8 })
    }

    private func address(of call: Call, _ value: (String) -> String?) throws(RequestProblem) -> String {
        guard let path = call.path else { return "" }
        var address = try path.filled(value)
        for parameter in call.query {
            guard let text = parameter.template.plain(value) else { continue }
            address += (address.contains("?") ? "&" : "?") + parameter.name + "=" + text.percentEncoded()
        }
        return address
    }

    private func headers(of call: Call, _ value: (String) -> String?) throws(RequestProblem) -> [String: String] {
        var headers: [String: String] = [:]
        for header in call.headers {
            guard let text = header.template.plain(value) else { continue }
            guard text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
                throw RequestProblem(header.template.names.first ?? header.name, "is not valid in a header field")
            }
            headers[header.name] = text
        }
        return headers
    }

    /// The text of a value that may be part of a URL: a text, number or Boolean.
    static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .number(let number): number.digits
        case .bool(let flag): flag ? "true" : "false"
        case .null, .array, .object: nil
        }
    }
}

extension DeclaredBatching {
    func lookup(_ ids: [RemoteTaskID]) -> UpstreamRequest? {
        guard !ids.isEmpty else { return nil }
        let list = ids.map(\.text).joined(separator: ",")
        return try? dialect.request(
            batch.call, values: ["ids": list], bodyValues: ["ids": .array(ids.map { .string($0.text) })])
    }
}

extension DeclaredListing {
    func page(from: Timestamp, to: Timestamp, at place: ListPlace, limit: Int) -> UpstreamRequest? {
        if let address = place.address { return try? dialect.follow(address, field: "list", by: list.call) }
        var values: [(String, JSONValue)] = [
            ("from", list.time.value(from, rounding: .down)), ("to", list.time.value(to, rounding: .up)),
            ("offset", .number(JSONNumber(place.offset))), ("limit", .number(JSONNumber(limit))),
        ]
        if let last = place.last { values.append(("after", .string(last.text))) }
        let texts = Dictionary(uniqueKeysWithValues: values.map { ($0.0, DeclaredDialect.text($0.1) ?? "") })
        return try? dialect.request(
            list.call, values: texts, bodyValues: Dictionary(uniqueKeysWithValues: values))
    }
}

extension DeclaredCancellation {
    func cancellation(of id: RemoteTaskID, record: JSONValue?) throws(RequestProblem) -> UpstreamRequest? {
        // With an unknown state the cancellation is tried.
        if let states = cancel.states, let word = record.flatMap({ dialect.text(in: $0, at: states.at) }),
            !states.words.contains(word)
        {
            return nil
        }
        return try dialect.request(cancel.call, id: id)
    }
}

extension DeclaredResultFetch {
    func request(of id: RemoteTaskID, record: JSONValue) throws(RequestProblem) -> UpstreamRequest {
        if let url = result.url.lazy.compactMap({ record.value(at: $0)?.string }).first {
            return try dialect.follow(url, field: "result")
        }
        guard let call = result.call else {
            throw RequestProblem("result", "the record has no address of the result")
        }
        return try dialect.request(call, id: id)
    }
}

extension DeclaredDialect.Call {
    /// The names of all places.
    var names: Set<String> {
        Set((path?.names ?? []) + (query + headers).flatMap(\.template.names))
    }
}

extension DeclaredDialect.List.TimeForm {
    fileprivate func value(_ time: Timestamp, rounding rule: FloatingPointRoundingRule) -> JSONValue {
        let seconds = Int64(time.unixSeconds.rounded(rule))
        return switch self {
        case .seconds: .number(JSONNumber(seconds))
        case .milliseconds: .number(JSONNumber(seconds * 1_000))
        case .rfc3339: .string(Timestamp(milliseconds: seconds * 1_000).rfc3339)
        }
    }
}

extension JSONValue {
    /// The document with texts such as `{ids}` replaced by their values.
    fileprivate func filled(_ values: [String: JSONValue]) -> JSONValue {
        switch self {
        case .string(let text):
            text.hasPrefix("{") && text.hasSuffix("}") ? values[String(text.dropFirst().dropLast())] ?? self : self
        case .array(let elements): .array(elements.map { $0.filled(values) })
        case .object(let object): .object(JSONObject(object.members.map { ($0.name, $0.value.filled(values)) }))
        case .null, .bool, .number: self
        }
    }
}
