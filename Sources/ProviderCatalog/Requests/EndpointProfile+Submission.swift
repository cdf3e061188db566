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

extension JSONObject {
    fileprivate func has(_ name: String) -> Bool { self[name].map { !$0.isNull } ?? false }
}
