package import TaskModel
package import VerbatimJSON

extension EndpointProfile {
    /// The paid request: what the program asked for, in the asynchronous form.
    ///
    /// The members of `request` pass unchanged and in their order. `async: true` is added because the reply then comes
    /// in a second instead of minutes, which leaves little time to lose it; not where the program decided otherwise,
    /// nor where the endpoint knows only one way to answer. A member that is null decides nothing. `ownID` goes where
    /// the endpoint takes one, unless the program gave its own.
    package func submission(
        of request: JSONObject, callbackURL: String?, ownID: String? = nil
    ) throws(RequestProblem) -> UpstreamRequest {
        var request = request
        if let ownIDMember, let ownID, !request.has(ownIDMember) { request[ownIDMember] = .string(ownID) }
        if let wire { return try wire.submission(of: request, callbackURL: callbackURL) }
        var body = request
        if !answersOnlyInline {
            let decides = request.has("async") || request.has("callback_url")
            if !isAlwaysAsynchronous && !decides { body["async"] = true }
            if let callbackURL, !request.has("callback_url") { body["callback_url"] = .string(callbackURL) }
        }
        return UpstreamRequest(method: "POST", path: submitPath, body: JSONValue.object(body).utf8)
    }
}

extension EndpointProfile {
    /// Whether a submission can carry a callback URL.
    package var takesCallbacks: Bool { wire.map { $0.callback != nil } ?? !answersOnlyInline }

    /// The member of the request that holds the callback URL; nil where it stands elsewhere, or nowhere.
    package var callbackMember: String? {
        guard let wire else { return takesCallbacks ? "callback_url" : nil }
        if case .member(let name) = wire.callback?.place { return name }
        return nil
    }

    /// The id under which the provider was given a task: the program's own, else ours; nil where it takes none.
    package func ownID(in request: JSONObject, otherwise ours: String) -> RemoteTaskID? {
        guard let ownIDMember else { return nil }
        return switch request[ownIDMember] {
        case .string(let own): RemoteTaskID(own)
        case .number(let own): RemoteTaskID(own.digits)
        case nil, .null: RemoteTaskID(ours)
        case .bool, .array, .object: nil
        }
    }

    /// Whether the program wants to be called itself. Its URL passes unchanged, and none of ours is sent.
    package func hasOwnCallback(in request: JSONObject) -> Bool { callbackMember.map(request.has) ?? false }
}

extension JSONObject {
    fileprivate func has(_ name: String) -> Bool { self[name].map { !$0.isNull } ?? false }
}
