import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Declared endpoints and replies for the tests of the declared dialect.
protocol DeclaredDialectFixture: Sendable {}

extension DeclaredDialectFixture {
    var id: RemoteTaskID { RemoteTaskID("t-1") ?? { preconditionFailure("a valid id") }() }

    /// An endpoint whose definition has these lines, indented by four spaces.
    func endpoint(_ lines: String, top: String = "") throws -> EndpointProfile {
        let yaml = """
            provider: p
            base_url: https://api.p.example
            max_requests_per_second: 2
            error: {code: /error/code, message: /error/message}
            \(top)
            endpoints:
              make:
            \(lines)
            """
        return try #require(try ProviderCatalog(definitions: [("p.yaml", yaml)]).endpoints.first)
    }

    static var rest: String {
        """
            results: [/url]
            state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
        """
    }
    static var plain: String {
        """
            submit: {path: "/v1/make"}
            accepted: {id: /id}
            poll: {path: "/v1/tasks/{id}", id: /id}
        \(rest)
        """
    }

    func reply(_ status: Int, _ body: String) -> UpstreamReply {
        UpstreamReply(status: status, body: Array(body.utf8))
    }

    func state(_ rules: String, _ body: String, status: Int = 200) throws -> Observation.Verdict? {
        let lines = """
                submit: {path: "/v1/make"}
                accepted: {id: /id}
                poll: {path: "/v1/tasks/{id}"}
                results: [/url]
                state: \(rules)
            """
        guard case .observed(let observation) = try endpoint(lines).dialect.readLookup(reply(status, body), of: id)
        else {
            return nil
        }
        return observation.verdict
    }

    func isFailed(_ verdict: Observation.Verdict?) -> Bool {
        if case .failed = verdict { true } else { false }
    }
}
