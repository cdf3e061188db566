package import VerbatimJSON

extension EndpointProfile {
    /// The paid request: what the program asked for, in the asynchronous form.
    ///
    /// The members of `request` pass unchanged and in their order. `async: true` is added because the reply then comes
    /// in a second instead of minutes, which leaves little time to lose it; not where the program decided otherwise,
    /// nor where the endpoint knows only one way to answer. A member that is null decides nothing.
    package func submission(
        of request: JSONObject, callbackURL: String?
    ) throws(RequestProblem) -> UpstreamRequest {
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

    /// Whether the program wants to be called itself. Its URL passes unchanged, and none of ours is sent.
    package func hasOwnCallback(in request: JSONObject) -> Bool { callbackMember.map(request.has) ?? false }
}

extension JSONObject {
    fileprivate func has(_ name: String) -> Bool { self[name].map { !$0.isNull } ?? false }
}
