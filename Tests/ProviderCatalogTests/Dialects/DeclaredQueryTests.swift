import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests how declared endpoints read look-ups, batches, lists and separate results.
@Suite struct DeclaredQueryTests: DeclaredDialectFixture {
    @Test func `a failed query proves nothing about its task`() throws {
        let profile = try endpoint(Self.plain)
        #expect(profile.dialect.readLookup(reply(404, "{}"), of: id) == .notFound)
        guard case .throttled = profile.dialect.readLookup(reply(429, ""), of: id) else { Issue.record("429"); return }
        guard case .failed(_, suspendsProvider: true) = profile.dialect.readLookup(reply(401, "{}"), of: id) else {
            Issue.record("401"); return
        }
        for (status, body) in [(500, #"{"status":"bad"}"#), (200, "<html>"), (200, #"{"id":"other","status":"ok"}"#)] {
            guard case .failed(_, suspendsProvider: false) = profile.dialect.readLookup(reply(status, body), of: id)
            else {
                Issue.record("\(status) \(body)")
                return
            }
        }
    }

    @Test func `a batch is matched by id`() throws {
        let profile = try endpoint(
            Self.plain + "\n    batch: {size: 2, path: /many, body: {ids: \"{ids}\"}, items: /items, id: /id}")
        let other = try #require(RemoteTaskID("t-2"))
        let request = try #require(profile.batching?.lookup([id, other]))
        #expect(String(decoding: request.body ?? [], as: UTF8.self) == #"{"ids":["t-1","t-2"]}"#)
        let body = #"{"items":[{"id":"t-9","status":"ok"},{"id":"t-2","status":"ok"},{"id":"t-1","status":"run"}]}"#
        guard case .observed(let found) = profile.batching?.read(reply(200, body), of: [id, other]) else {
            Issue.record("unread"); return
        }
        #expect(found.mapValues(\.verdict) == [id: .pending, other: .succeeded(partial: false)])
    }

    @Test func `a list request has its time window in the provider's unit`() throws {
        let list =
            "list: {path: /list, query: {after: \"{from}\", n: \"{limit}\"}, time: milliseconds, items: /data, id: /id, created_at: /at, request: /input}"
        let profile = try endpoint(Self.plain + "\n    \(list)")
        #expect(profile.listing != nil && !profile.needsPersonWhenUncertain)
        let from = Timestamp(milliseconds: 1_700_000_000_900)
        #expect(
            profile.listing?.page(from: from, to: from, offset: 0, limit: 5)?.path == "/list?after=1700000000000&n=5")
        let body = #"{"data":[{"id":"t-1","at":1700000000000,"input":{"a":1}}]}"#
        #expect(
            profile.listing?.read(reply(200, body))
                == .page(
                    [
                        ListedTask(
                            remoteID: id, createdAt: Timestamp(milliseconds: 1_700_000_000_000), request: ["a": 1])
                    ]))
        #expect(profile.listing?.isWhole == false)
        #expect(try endpoint(Self.plain + "\n    \(list.dropLast()), whole: true}").listing?.isWhole == true)
    }

    @Test func `a separate result is fetched, and only a declared status with an error code fails the task`() throws {
        let profile = try endpoint(Self.plain + "\n    result: {url: /response_url, failed_statuses: [422]}")
        let done = Observation(.succeeded(partial: false), record: ["response_url": "https://api.p.example/r"])
        #expect(try profile.resultFetching?.request(of: id, record: done.record).url == "https://api.p.example/r")
        guard case .observed(let read) = profile.resultFetching?.read(reply(200, #"{"url":"u"}"#), of: id, after: done)
        else {
            Issue.record("unread"); return
        }
        #expect(read.verdict == .succeeded(partial: false) && read.record == ["url": "u"])
        #expect(read.results.map(\.value) == ["u"])
        guard case .failed = profile.resultFetching?.read(reply(500, ""), of: id, after: done) else {
            Issue.record("500"); return
        }
        guard case .failed = profile.resultFetching?.read(reply(200, "<html>"), of: id, after: done) else {
            Issue.record("html"); return
        }
        guard
            case .observed(let failed) = profile.resultFetching?.read(
                reply(422, #"{"error":{"code":"c"}}"#), of: id, after: done)
        else {
            Issue.record("422")
            return
        }
        #expect(isFailed(failed.verdict))
        // A gateway's page or an empty object with that status is not an answer of the provider.
        let server = try endpoint(Self.plain + "\n    result: {url: /response_url, failed_statuses: [500]}")
        guard
            case .failed = server.resultFetching?.read(
                reply(500, #"{"error":{"message":"Internal Server Error"}}"#), of: id, after: done)
        else { Issue.record("an error without a code fails the task"); return }
        guard
            case .observed = server.resultFetching?.read(reply(500, #"{"error":{"code":"oom"}}"#), of: id, after: done)
        else {
            Issue.record("an error with a code does not fail the task")
            return
        }
        for body in ["<html>", "{}", ""] {
            guard case .failed = profile.resultFetching?.read(reply(422, body), of: id, after: done) else {
                Issue.record("\(body)"); return
            }
        }
        #expect(throws: RequestProblem.self) {
            try profile.resultFetching?.request(of: id, record: ["response_url": "https://evil.example/r"])
        }
    }
}
