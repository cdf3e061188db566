import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests how declared endpoints are decoded, and the errors of invalid ones.
@Suite struct DeclaredDefinitionTests {
    /// A complete definition. A test changes only the line it checks.
    static let valid = """
        provider: p
        base_url: https://api.p.example
        token: P_KEY
        max_requests_per_second: 2
        endpoints:
          make:
            submit: {path: "/v1/{model}"}
            accepted: {id: /id}
            poll: {path: "/v1/tasks/{id}"}
            state:
              - {at: /status, pending: [run], succeeded: [ok], failed: [bad]}
            results: [/url]
        """

    private func message(_ yaml: String) -> String? {
        do throws(CatalogError) {
            _ = try ProviderCatalog(definitions: [("p.yaml", yaml)])
            return nil
        } catch {
            return error.message
        }
    }

    private func message(_ old: String, _ new: String) -> String? {
        let changed = Self.valid.replacing(old, with: new)
        #expect(changed != Self.valid, "the replacement has no effect")
        return message(changed)
    }

    @Test func `the client id is sent in the declared member, unless the request has one`() throws {
        let yaml = Self.valid.replacing(
            #"submit: {path: "/v1/{model}"}"#, with: "submit: {path: /v1/make, own_id: mine}")
        let profile = try #require(try ProviderCatalog(definitions: [("p.yaml", yaml)]).endpoints.first)
        #expect(profile.dialect.ownIDMember == "mine")
        #expect(!profile.needsPersonWhenUncertain)
        func body(_ request: JSONValue) throws -> JSONValue {
            try JSONValue(
                parsing: profile.dialect.submission(of: request.object ?? JSONObject(), callbackURL: nil, ownID: "t-1")
                    .body
                    ?? [])
        }
        #expect(try body(["prompt": "x"]) == ["prompt": "x", "mine": "t-1"])
        #expect(try body(["mine": "own"]) == ["mine": "own"])
        #expect(try body(["mine": nil]) == ["mine": "t-1"])
        #expect(profile.dialect.ownID(in: JSONObject([("mine", 17)]), otherwise: "t-1")?.text == "17")
        #expect(profile.dialect.ownID(in: JSONObject(), otherwise: "t-1")?.text == "t-1")
        #expect(profile.dialect.ownID(in: JSONObject([("mine", ["a"])]), otherwise: "t-1") == nil)
    }

    @Test func `a definition can ask for a signed token`() throws {
        let yaml = Self.valid.replacing("token: P_KEY", with: "token: P_KEY\nauth: {jwt: HS256, lifetime_seconds: 60}")
        let catalog = try ProviderCatalog(definitions: [("p.yaml", yaml)])
        #expect(catalog.provider("p")?.authentication == .signedToken(lifetime: .seconds(60)))
        #expect(message("token: P_KEY", "token: P_KEY\nauth: {jwt: none}")?.contains("HS256") == true)
        #expect(message("token: P_KEY", "token: P_KEY\nauth: {query: k, lifetime_seconds: 9}")?.contains("jwt") == true)
        #expect(message("token: P_KEY", "token: P_KEY\nauth: {jwt: HS256, query: k}")?.contains("exactly one") == true)
    }

    @Test func `a client id without a query by id is rejected`() {
        let yaml = Self.valid
            .replacing(#"submit: {path: "/v1/{model}"}"#, with: "submit: {path: /v1/make, own_id: mine}")
            .replacing("accepted: {id: /id}", with: "accepted: {id: /id, poll_url: /url}")
            .replacing(#"    poll: {path: "/v1/tasks/{id}"}"# + "\n", with: "")
        #expect(message(yaml)?.contains("own_id") == true, "\(message(yaml) ?? "none")")
    }

    @Test func `an endpoint name has its provider's name as prefix`() throws {
        let catalog = try ProviderCatalog(definitions: [("p.yaml", Self.valid)])
        #expect(catalog.endpoints.map(\.name.text) == ["p:make"])
        #expect(catalog.provider("p")?.tokenVariable == "P_KEY")
        #expect(catalog.endpoints.first?.needsPersonWhenUncertain == true)
    }

    @Test(arguments: [
        // Unknown keys at any level.
        ("provider: p", "speed: 3\nprovider: p", "p.yaml, line 1: speed: unknown field"),
        ("poll: {path", "poll: {verb: GET, path", "p.yaml, line 9: endpoints.make.poll.verb: unknown field"),
        ("failed: [bad]}", "failed: [bad], lost: [x]}", "line 11: endpoints.make.state[0].lost: unknown field"),
        // Bad pointers.
        ("id: /id}", "id: id}", "line 8: endpoints.make.accepted.id: \"id\" is not a JSON pointer"),
        ("id: /id}", "id: /a~2}", "line 8: endpoints.make.accepted.id: \"/a~2\" is not a JSON pointer"),
        ("results: [/url]", "results: [url]", "line 12: endpoints.make.results: \"url\" is not a JSON pointer"),
        ("results: [/url]", "results: [\"/a/*[b]/url\"]", "\"*[b]\" is no condition; one is written *[NAME=TEXT]"),
        // Missing status words and fields.
        (", failed: [bad]", "", "line 10: endpoints.make.state: no rule has the meaning failed"),
        ("pending: [run], ", "", "endpoints.make.state: no rule has the meaning pending"),
        (", succeeded: [ok]", "", "endpoints.make.state: no rule has the meaning succeeded"),
        ("at: /status, ", "", "line 11: endpoints.make.state[0]: words need at"),
        (", pending: [run], succeeded: [ok], failed: [bad]", "", "line 11: endpoints.make.state[0].at: needs words"),
        ("    results: [/url]", "", "endpoints.make.results: this field is missing"),
        ("    poll: {path: \"/v1/tasks/{id}\"}\n", "", "there is no address to poll"),
        ("accepted: {id: /id}", "accepted: {}", "line 8: endpoints.make.accepted.id: this field is missing"),
        // One word with two meanings.
        (
            "failed: [bad]", "failed: [bad, ok]",
            "line 11: endpoints.make.state[0].failed: \"ok\" is listed under another"
        ),
        // Two defaults, or one that is not last.
        (
            "failed: [bad]}", "failed: [bad]}\n      - {means: pending}\n      - {means: pending}",
            "line 13: endpoints.make.state[2]: a second default"
        ),
        ("- {at:", "- {means: pending}\n      - {at:", "line 12: endpoints.make.state[1]: is never reached"),
        (
            "failed: [bad]}", "failed: [bad]}\n      - {means: succeeded}",
            "line 12: endpoints.make.state[1].means: a default may"
        ),
        // Placeholders that are unknown or incomplete.
        (
            "/v1/tasks/{id}", "/v1/tasks/{task}",
            "line 9: endpoints.make.poll.path: {task} is not known here; only {id} is"
        ),
        (
            "/v1/{model}", "/v1/{model",
            "line 7: endpoints.make.submit.path: \"/v1/{model\" has an unmatched brace"
        ),
        // Values of the wrong kind.
        ("poll: {path", "poll: {method: FETCH, path", "endpoints.make.poll.method: expected one of GET, POST"),
        ("token: P_KEY", "token: sk-12345", "line 3: token: expected the name of an environment variable"),
        ("token: P_KEY", "auth: {header: a, query: b}", "line 3: auth: expected exactly one of"),
        (
            "token: P_KEY", "allowed_hosts: [\"https://x.example/\"]",
            "line 3: allowed_hosts: \"https://x.example/\" is not a host"
        ),
        (
            "token: P_KEY", "statuses: {throttled: [503], refused: [503]}",
            "statuses.refused: 503 is listed under another"
        ),
        (
            "token: P_KEY", "codes: {throttled: [a], refused: [a]}",
            "codes.refused: \"a\" is listed under another meaning"
        ),
        (
            "token: P_KEY", "codes: {throttled: {text: [a]}, refused: {text: [A]}}",
            "codes.refused: \"a\" is listed under another meaning"
        ),
        ("token: P_KEY", "codes: {throttled: {}}", "codes.throttled: expected code, text, or both"),
        (
            "token: P_KEY", "codes: {throttled: {words: [a]}}",
            "codes.throttled.words: unknown field; known are code, text"
        ),
        ("token: P_KEY", "error: {wait: {unit: seconds}}", "error.wait: expected header, at, or both"),
        ("token: P_KEY", "error: {wait: {at: [x]}}", "error.wait.at: \"x\" is not a JSON pointer"),
        ("accepted: {id: /id}", "accepted: {poll_url_header: Location}", "accepted.id: this field is missing"),
        ("  make:", "  \"a b\":", "line 6: endpoints.a b: is not an endpoint name"),
        ("provider: p", "provider: Päckchen", "line 1: provider: expected up to 32 small letters"),
        // Valid YAML without a valid meaning.
        ("poll: {path", "poll: &x {id: *x, path", "p.yaml, line 9"),
        ("  make:", "  make: {}\n  make:", "make: given twice"),
    ])
    func `an invalid definition is refused with its file, line and field`(old: String, new: String, problem: String) {
        let message = message(old, new)
        #expect(message?.contains(problem) == true, "\(message ?? "accepted")")
        #expect(message?.hasPrefix("p.yaml") == true)
    }

    @Test func `only one provider is the default`() {
        let first = Self.valid.replacing("provider: p", with: "provider: p\ndefault: true").replacing(
            "  make:", with: "  s/make:")
        let second = first.replacing("provider: p", with: "provider: q")
        let error = #expect(throws: CatalogError.self) {
            try ProviderCatalog(definitions: [("p.yaml", first), ("q.yaml", second)])
        }
        #expect(error?.message.hasPrefix("q.yaml: default: p is already the default") == true)
    }
}
