import HTTPTesting
import TaskEngine
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@testable import Dashboard

@Suite(.timeLimit(.minutes(2))) struct MediaLinksTests {
    @Test func `a signed address serves the file without a token, whole and in parts`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let id = try await dashboard.taskWithFile("0123456789", mediaType: "video/mp4")
            let link = try await dashboard.link(to: id, token: try dashboard.token(isReadOnly: true))
            let whole = try await dashboard.ask("GET", link)
            #expect(whole.status == 200 && whole.body == "0123456789", "\(whole.text)")
            #expect(whole.headers["content-type"] == "video/mp4")
            #expect(whole.headers["content-disposition"] == "inline")
            #expect(whole.headers["accept-ranges"] == "bytes")
            #expect(whole.headers["content-security-policy"]?.hasSuffix("form-action 'none'; sandbox") == true)
            let part = try await dashboard.ask("GET", link, headers: ["Range: bytes=2-4"])
            #expect(part.status == 206 && part.body == "234")
            #expect(part.headers["content-range"] == "bytes 2-4/10")
            #expect(try await dashboard.ask("GET", link, headers: ["Range: bytes=10-"]).status == 416)
            let head = try await dashboard.ask("HEAD", link)
            #expect(head.status == 200 && head.headers["content-length"] == "10" && head.body.isEmpty)
            #expect(try await dashboard.ask("GET", link, headers: ["Host: evil.example"]).status == 403)
        }
    }

    @Test(arguments: [
        "text/html", "image/svg+xml", "application/octet-stream", "text/javascript", "application/xhtml+xml",
    ])
    func `what could run scripts is only downloaded`(mediaType: String) async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let id = try await dashboard.taskWithFile(
                "<svg><script>alert(1)</script></svg>", mediaType: mediaType, name: "x.svg")
            let reply = try await dashboard.ask("GET", try await dashboard.link(to: id, token: try dashboard.token()))
            #expect(reply.status == 200)
            #expect(reply.headers["content-disposition"] == #"attachment; filename="x.svg""#)
            #expect(reply.headers["x-content-type-options"] == "nosniff")
            let policy = try #require(reply.headers["content-security-policy"])
            #expect(policy.contains("script-src 'self'") && policy.hasSuffix("; sandbox"))
        }
    }

    @Test func `an address works for ten minutes, and only as it was made`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let id = try await dashboard.taskWithFile("0123456789", mediaType: "image/png")
            let link = try await dashboard.link(to: id, token: try dashboard.token())
            let (path, query) = try #require(
                link.firstIndex(of: "?").map { (link[..<$0], link[link.index(after: $0)...]) })
            let (expires, signature) = try #require(
                query.firstIndex(of: "&").map { (String(query[..<$0]), String(query[query.index(after: $0)...])) })
            let seconds = try #require(Int(expires.dropFirst("expires=".count)))
            let other = String(signature.dropLast(4)) + (signature.hasSuffix("AAAA") ? "BBBB" : "AAAA")
            for changed in [
                String(path), "\(path)?\(expires)", "\(path)?\(signature)",
                "\(path)?expires=\(seconds + 1)&\(signature)",
                "\(path)?expires=0\(seconds)&\(signature)", "\(path)?\(expires)&\(other)",
                "\(path)?\(expires)&signature=", "\(path.dropLast())1?\(query)", "\(path)/?\(query)",
                "/dashboard/media/\(TaskID.other.text)/0?\(query)", "/dashboard//media/\(id.text)/0?\(query)",
                "/dashboard/media/../media/\(id.text)/0?\(query)", "/dashboard/media/\(id.text)/%30?\(query)",
                "/dashboard/media/..%2f..%2fetc%2fpasswd/0?\(query)",
            ] {
                let reply = try await dashboard.ask("GET", changed)
                #expect([403, 404].contains(reply.status), "\(changed)")
                #expect(!reply.text.contains("0123456789"))
            }
            dashboard.world.time.set(to: Timestamp(milliseconds: Int64(seconds) * 1_000 - 1))
            #expect(try await dashboard.ask("GET", link).status == 200)
            dashboard.world.time.advance(by: .milliseconds(1))
            let late = try await dashboard.ask("GET", link)
            #expect(late.status == 403 && late.code == "link_not_valid")
        }
    }

    @Test func `each start of the daemon has another key`() throws {
        let time = ManualTimeSource()
        func links() -> MediaLinks { MediaLinks(random: EngineRandom(SystemRandomNumberGenerator()), time: time) }
        let (first, second) = (links(), links())
        let target = MediaLinks.Target(task: .other, index: 3)
        func opened(_ url: String, by links: MediaLinks) throws -> MediaLinks.Target? {
            let parts = url.split(whereSeparator: { "?&=".contains($0) }).map(String.init)
            #expect(parts.count == 5)
            return links.target(path: parts[0], expires: parts[2], signature: parts[4])
        }
        let url = first.url(of: target, until: first.expiry)
        #expect(try opened(url, by: first) == target)
        #expect(try opened(url, by: second) == nil)
    }

    @Test func `addresses are made for whole ids, and for at most 200 results at once`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            let result = #"{"task":"\#(TaskID.other.text)","index":0}"#
            func status(_ results: String) async throws -> Int {
                try await dashboard.ask("POST", "/dashboard/media", #"{"results":\#(results)}"#, token: token).status
            }
            let most = Array(repeating: result, count: 200)
            #expect(try await status("[\(most.joined(separator: ","))]") == 200)
            #expect(try await status("[\((most + [result]).joined(separator: ","))]") == 422)
            for results in [
                "[]", "1", "[1]", #"[{"task":"0199","index":0}]"#, #"[{"task":"../x","index":0}]"#,
                #"[{"task":"\#(TaskID.other.text)"}]"#, #"[{"task":"\#(TaskID.other.text)","index":-1}]"#,
                #"[{"task":"\#(TaskID.other.text)","index":0.5}]"#,
            ] {
                #expect(try await status(results) == 422, "\(results)")
            }
            // No such task, and a task without a file.
            let link = try await dashboard.link(to: .other, token: token)
            #expect(try await dashboard.ask("GET", link).code == "artefact_not_found")
            let bare = try await dashboard.link(to: try await dashboard.world.submit(), token: token)
            #expect(try await dashboard.ask("GET", bare).code == "artefact_not_found")
        }
    }
}

extension TaskID {
    fileprivate static let other = TrackedTask.task(99).id
}
