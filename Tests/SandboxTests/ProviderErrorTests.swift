import Testing

@testable import Sandbox

@Suite struct ProviderErrorTests {
    @Test(arguments: [
        (ProviderError.authorizationMissing, "errors__authorization_missing"), (.noToken, "errors__no_token"),
        (.tokenExpired, "errors__token_expired"), (.noAPI, "errors__no_api"),
        (.requestTooLarge, "errors__request_too_large"), (.moderated, "errors__forbidden_moderation"),
        (.tooManyRequests, "errors__too_many_requests"), (.apiError, "errors__api_error"), (.busy, "errors__busy"),
    ])
    func `an error has exactly the documented text`(error: ProviderError, example: String) throws {
        let documented = try Fixtures.json(example)
        #expect(error.body(traceID: documented["trace_id"]?.stringValue ?? "") == documented)
    }

    @Test func `the error of an empty balance leaves out the address of a real host`() throws {
        let message = ProviderError.usedUp.body(traceID: "")["error"]?["message"]?.stringValue ?? ""
        let documented = try Fixtures.json("errors__used_up")["error"]?["message"]?.stringValue ?? ""
        #expect(message.count > 40 && documented.hasPrefix(message.dropLast()))
        #expect(!message.contains("://"))
    }
}
