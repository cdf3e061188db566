import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

/// Tests what codes and statuses prove, in both dialects, for submissions and queries.
@Suite struct ClassifiedReplyTests {
    /// What a reply with this status and code proves about a submission and a query.
    struct Row: CustomTestStringConvertible, Sendable {
        let status: Int
        /// The code in the body; nil for a body that is not JSON.
        let code: String?
        let submission: String
        let query: String

        var testDescription: String { "\(status) \(code ?? "without a code"): \(submission), \(query)" }
        var body: [UInt8] {
            code.map { Array(#"{"error":{"code":"\#($0)","message":"m"}}"#.utf8) } ?? Array("<p>".utf8)
        }
    }

    /// Rows with the same result, for several statuses and codes.
    private typealias Rows = (statuses: [Int], codes: [String?], submission: String, query: String)

    /// Statuses without a code, or with one that the definition does not list.
    private static let unlisted: [Rows] = [
        ([300, 302, 303, 304, 408, 504, 100, 600], [nil, "other"], "unknown", "failed"),
        ([301, 307, 308], [nil, "other"], "moved", "failed"),
        ([400, 403, 405, 422, 451], [nil, "other"], "refused", "failed"),
        ([401, 402], [nil, "other"], "refused, suspends", "failed, suspends"),
        ([429], [nil, "other"], "throttled", "throttled"),
        ([404], [nil], "refused", "failed"),
        ([500, 502], ["other"], "probably refused", "failed"),
        ([500, 502], [nil, "500"], "unknown", "failed"),
        ([200], [nil], "unknown", "failed"),
    ]

    /// Codes that the definition lists. Under 5xx a refusal is only probable, and under a time-out it proves nothing.
    private static let listed: [Rows] = [
        ([200, 302, 400, 408, 429, 500, 504], ["slow"], "throttled", "throttled"),
        ([200, 302, 401, 408, 429, 500, 504], ["broke"], "stopped", "failed, suspends"),
        ([200, 400, 403, 429], ["banned"], "refused, suspends", "failed, suspends"),
        ([500, 503], ["banned"], "probably refused, suspends", "failed, suspends"),
        ([302, 408, 504], ["banned", "bad", "gone", "oops"], "unknown", "failed"),
        ([200, 400, 401, 404, 429], ["bad"], "refused", "failed"),
        ([500, 503], ["bad", "gone"], "probably refused", "failed"),
        ([301], ["bad", "banned", "gone"], "moved", "failed"),
        ([400, 404, 410], ["gone"], "refused", "not found"),
        ([200], ["gone"], "unknown", "not found"),
        ([429], ["gone"], "throttled", "throttled"),
        ([200, 301, 400, 404, 429, 500, 504], ["late"], "unknown", "failed"),
        ([200, 400, 429, 500, 503], ["oops"], "probably refused", "failed"),
        ([301], ["oops"], "unknown", "failed"),
    ]

    /// Statuses that the definition lists. They also apply with a code that it does not list.
    private static let listedStatuses: [Rows] = [
        ([520], [nil, "other"], "throttled", "throttled"),
        ([418], [nil, "other"], "unknown", "failed"),
        ([407], [nil, "other"], "stopped", "failed, suspends"),
        ([409], [nil, "other"], "probably refused", "failed"),
        ([411], [nil, "other"], "refused, suspends", "failed, suspends"),
        ([505], [nil, "other"], "refused", "failed"),
        ([406], [nil, "other"], "refused", "not found"),
    ]

    private static let table: [Row] = (unlisted + listed + listedStatuses).flatMap { rows in
        rows.codes.flatMap { code in
            rows.statuses.map { Row(status: $0, code: code, submission: rows.submission, query: rows.query) }
        }
    }

    private static let definition = """
        provider: p
        base_url: https://api.p.example
        max_requests_per_second: 2
        error: {code: /error/code, message: /error/message}
        codes:
          {throttled: [slow], stops_account: [broke], refused_stops_account: [banned], refused: [bad], unknown_task: [gone],
           outcome_unknown: [late], server_fault: [oops]}
        statuses:
          {throttled: [520], outcome_unknown: [418], stops_account: [407], server_fault: [409],
           refused_stops_account: [411], refused: [505], unknown_task: [406]}
        services:
          inferred: {batch_size: 2, listing: documented, endpoints: {make: {}}}
        endpoints:
          declared:
            submit: {path: /make}
            accepted: {id: /id}
            poll: {path: "/tasks/{id}", id: /id}
            batch: {size: 2, path: /many, items: /items, id: /id}
            list: {path: /list, items: /items, id: /id, created_at: /at, request: /request}
            state: [{at: /status, pending: [run], succeeded: [ok], failed: [no]}]
            results: [/url]
        """
    private static let endpoints = Result { try ProviderCatalog(definitions: [("p.yaml", definition)]).endpoints }

    @Test(arguments: table)
    func `status and code decide in both dialects, for submissions and for queries`(row: Row) throws {
        let id = try #require(RemoteTaskID("t-1"))
        let reply = UpstreamReply(status: row.status, body: row.body)
        let endpoints = try Self.endpoints.get()
        #expect(endpoints.map(\.name.text) == ["p:declared", "p:inferred/make"])
        for endpoint in endpoints {
            #expect(word(endpoint.dialect.readSubmission(reply)) == row.submission, "\(endpoint.name)")
            #expect(word(endpoint.dialect.readLookup(reply, of: id)) == row.query, "\(endpoint.name)")
            switch try #require(endpoint.batching).read(reply, of: [id]) {
            case .observed(let seen): #expect(row.query == "not found" && seen.isEmpty)
            case .throttled: #expect(row.query == "throttled")
            case .failed(_, let suspends): #expect(row.query == (suspends ? "failed, suspends" : "failed"))
            }
            // An unreadable list must not count as an empty one.
            switch try #require(endpoint.listing).read(reply) {
            case .page: Issue.record("a page: \(endpoint.name)")
            case .throttled: #expect(row.query == "throttled")
            case .failed(_, let suspends): #expect(row.query.hasSuffix("suspends") == suspends)
            }
        }
    }

    @Test func `a failure has the provider's code, or else one for the status`() throws {
        for (status, code) in [
            (401, "unauthorized"), (403, "unauthorized"), (422, "provider_refused"), (500, "provider_error"),
            (408, "provider_timeout"), (504, "provider_timeout"), (302, "unexpected_redirect"), (301, "moved"),
        ] {
            for endpoint in try Self.endpoints.get() {
                #expect(failure(endpoint.dialect.readSubmission(UpstreamReply(status: status, body: [])))?.code == code)
                let told = UpstreamReply(status: status, body: Array(#"{"error":{"code":"own","message":"m"}}"#.utf8))
                let failure = failure(endpoint.dialect.readSubmission(told))
                #expect(failure?.code == (status == 301 ? "moved" : "own"), "\(status) \(endpoint.name)")
            }
        }
    }

    @Test func `a 404 without a JSON object is a failed query, and the error shows the setting for it`() throws {
        let id = try #require(RemoteTaskID("t-1"))
        for endpoint in try Self.endpoints.get() {
            guard
                case .failed(let failure, suspendsProvider: false) = endpoint.dialect.readLookup(
                    UpstreamReply(status: 404, body: Array("<p>".utf8)), of: id)
            else { Issue.record("\(endpoint.name)"); return }
            #expect(failure.code == "not_found" && failure.message.contains("unknown_task: [404]"))
            #expect(
                endpoint.dialect.readLookup(UpstreamReply(status: 404, body: Array("{}".utf8)), of: id) == .notFound)
        }
    }

    @Test func `a 404 with an unlisted code means not found in the declared dialect only`() throws {
        let id = try #require(RemoteTaskID("t-1"))
        let reply = UpstreamReply(status: 404, body: Array(#"{"error":{"code":"other","message":"m"}}"#.utf8))
        let words = try Self.endpoints.get().map { word($0.dialect.readLookup(reply, of: id)) }
        #expect(words == ["not found", "failed"])
    }

    private func word(_ verdict: SubmitVerdict) -> String {
        switch verdict {
        case .accepted, .answered: "accepted"
        case .throttled: "throttled"
        case .stopped(_, .account): "stopped"
        case .stopped(_, .endpoint): "moved"
        case .refused(_, let suspends): "refused" + (suspends ? ", suspends" : "")
        case .probablyRefused(_, let suspends): "probably refused" + (suspends ? ", suspends" : "")
        case .unknown: "unknown"
        }
    }

    private func word(_ verdict: LookupVerdict) -> String {
        switch verdict {
        case .observed: "observed"
        case .notFound: "not found"
        case .throttled: "throttled"
        case .failed(_, let suspends): "failed" + (suspends ? ", suspends" : "")
        }
    }

    private func failure(_ verdict: SubmitVerdict) -> TaskFailure? {
        switch verdict {
        case .accepted, .answered: nil
        case .throttled(let failure, _), .stopped(let failure, _), .refused(let failure, _),
            .probablyRefused(let failure, _), .unknown(let failure):
            failure
        }
    }
}
