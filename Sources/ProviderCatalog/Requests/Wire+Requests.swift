import TaskModel
import Text
import VerbatimJSON

extension Wire {
    /// The paid request.
    ///
    /// Members of the program's request that stand in the address or a header field are taken out of the body; all
    /// others pass unchanged and in their order.
    func submission(of request: JSONObject, callbackURL: String?) throws(RequestProblem) -> UpstreamRequest {
        func text(_ name: String) -> String? { request[name].flatMap(Self.text) }
        var body = request
        for (name, value) in defaults.members.map({ ($0.name, $0.value) }) where body[name]?.isNull ?? true {
            body[name] = value
        }
        var target = try address(of: submit, text)
        if let callback, let callbackURL {
            switch callback.place {
            case .member(let name):
                if body[name]?.isNull ?? true { body[name] = .string(callbackURL) }
            case .query(let name):
                target += (target.contains("?") ? "&" : "?") + name + "=" + callbackURL.percentEncoded()
            }
        }
        for name in submit.names { body[name] = nil }
        let headers = try headers(of: submit, text)
        return UpstreamRequest(
            method: submit.method, path: target, headers: headers, body: JSONValue.object(body).utf8)
    }

    /// Asks for one task where the provider said, else by its id.
    func lookup(_ id: RemoteTaskID, pollURL: String?, hosts: AllowedHosts) throws(RequestProblem) -> UpstreamRequest {
        if let pollURL, acceptance.namesPollURL {
            do throws(RequestProblem) {
                return try follow(pollURL, hosts: hosts, field: "poll_url")
            } catch {
                // A provider behind a proxy names its own addresses; where there is a path as well, that will do.
                guard poll?.path != nil else { throw error }
            }
        }
        guard let poll, poll.path != nil else {
            throw RequestProblem("poll_url", "this endpoint's tasks are asked for by an address that its reply names")
        }
        return try request(poll, id: id)
    }

    /// Asks for the result of a task whose record says that it is done; nil where the record holds it.
    func resultRequest(
        of id: RemoteTaskID, record: JSONValue, hosts: AllowedHosts
    ) throws(RequestProblem) -> UpstreamRequest? {
        guard let result, !result.isFile else { return nil }
        if let url = result.url.lazy.compactMap({ record.value(at: $0)?.string }).first {
            return try follow(url, hosts: hosts, field: "result")
        }
        guard let call = result.call else {
            throw RequestProblem("result", "the record names no address of the result")
        }
        return try request(call, id: id)
    }

    /// Ends the task at the provider; nil where it has no such thing.
    func cancellation(of id: RemoteTaskID, record: JSONValue?) throws(RequestProblem) -> UpstreamRequest? {
        guard let call = cancel?.call else { return nil }
        // A record that does not tell the state is no reason not to try.
        if let states = cancel?.states, let word = record.flatMap({ text(in: $0, at: states.at) }),
            !states.words.contains(word)
        {
            return nil
        }
        return try request(call, id: id)
    }

    func batchLookup(_ ids: [RemoteTaskID]) -> UpstreamRequest? {
        guard let call = batch?.call else { return nil }
        let list = ids.map(\.text).joined(separator: ",")
        return try? request(call, values: ["ids": list], bodyValues: ["ids": .array(ids.map { .string($0.text) })])
    }

    /// The window is widened to whole seconds, as most parameters of the kind count.
    func listing(from: Timestamp, to: Timestamp, offset: Int, limit: Int) -> UpstreamRequest? {
        guard let list else { return nil }
        let values: [(String, JSONValue)] = [
            ("from", list.time.value(from, rounding: .down)), ("to", list.time.value(to, rounding: .up)),
            ("offset", .number(JSONNumber(offset))), ("limit", .number(JSONNumber(limit))),
        ]
        let texts = Dictionary(uniqueKeysWithValues: values.map { ($0.0, Self.text($0.1) ?? "") })
        return try? request(list.call, values: texts, bodyValues: Dictionary(uniqueKeysWithValues: values))
    }

    // MARK: Filling in

    func request(_ call: Call, id: RemoteTaskID) throws(RequestProblem) -> UpstreamRequest {
        try request(call, values: ["id": id.text], bodyValues: ["id": .string(id.text)])
    }

    private func request(
        _ call: Call, values: [String: String], bodyValues: [String: JSONValue]
    ) throws(RequestProblem) -> UpstreamRequest {
        UpstreamRequest(
            method: call.method, path: try address(of: call) { values[$0] },
            headers: try headers(of: call) { values[$0] },
            body: call.body.map { $0.filled(bodyValues).utf8 })
    }

    private func follow(_ url: String, hosts: AllowedHosts, field: String) throws(RequestProblem) -> UpstreamRequest {
        do throws(AllowedHosts.Refusal) { try hosts.check(url) } catch { throw RequestProblem(field, error.message) }
        let fixed = try headers(of: poll ?? Call(method: "GET")) { _ in nil }
        return UpstreamRequest(method: "GET", path: "", url: url, headers: fixed)
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
                throw RequestProblem(header.template.names.first ?? header.name, "cannot stand in a header field")
            }
            headers[header.name] = text
        }
        return headers
    }

    /// What can stand in an address: texts, numbers and Booleans.
    static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .number(let number): number.digits
        case .bool(let flag): flag ? "true" : "false"
        case .null, .array, .object: nil
        }
    }
}

extension Wire.Call {
    /// The places to fill in, wherever they stand.
    var names: Set<String> {
        Set((path?.names ?? []) + (query + headers).flatMap(\.template.names))
    }
}

extension Wire.List.TimeForm {
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
    /// The same document with texts such as `{ids}` replaced by what they stand for.
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
