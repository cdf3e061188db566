import DashboardPage
import Foundation
import HTTPTesting
import Testing

@testable import Dashboard

@Suite(.timeLimit(.minutes(2))) struct PageFilesTests {
    @Test func `the binary has every file of the page, and no other`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/DashboardPage/page").standardized
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { !$0.hasPrefix(".") }
        #expect(PageFiles().names == names.sorted())
        var count = 0
        let files = UnsafeBufferPointer(start: pollux_page_files(&count), count: count)
        for file in files {
            let name = String(cString: file.name)
            let bytes = try Data(contentsOf: folder.appending(path: name))
            #expect(Data(UnsafeBufferPointer(start: file.start, count: file.count)) == bytes, "\(name) is outdated")
        }
    }

    @Test func `the whole page has less than 60 KB when it is compressed`() {
        #expect(PageFiles().compressedSize < 60_000)
    }

    @Test func `the page is sent anew only when it has changed`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let first = try await dashboard.ask("GET", "/")
            #expect(first.status == 200 && first.headers["content-type"] == "text/html; charset=utf-8")
            #expect(first.headers["cache-control"] == "no-cache" && first.headers["vary"] == "Accept-Encoding")
            #expect(first.body.lowercased().hasPrefix("<!doctype html>"))
            let tag = try #require(first.headers["etag"])
            let same = try await dashboard.ask("GET", "/", headers: ["If-None-Match: \"x\", \(tag)"])
            #expect(same.status == 304 && same.body.isEmpty && same.headers["etag"] == tag)
            #expect(try await dashboard.ask("GET", "/", headers: ["If-None-Match: \"x\""]).status == 200)
            #expect(try await dashboard.ask("GET", "/assets/index.html").body == first.body)
        }
    }

    @Test func `a client that takes gzip gets it`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let plain = try await dashboard.ask("GET", "/")
            for coding in ["gzip", "br, gzip;q=0.5, deflate", "GZIP"] {
                let reply = try await dashboard.ask("HEAD", "/", headers: ["Accept-Encoding: \(coding)"])
                #expect(reply.headers["content-encoding"] == "gzip", "\(coding)")
                #expect(reply.headers["etag"] != plain.headers["etag"])
                #expect(reply.headers["content-length"] != plain.headers["content-length"])
            }
            for coding in ["br", "gzip;q=0", "gzip;q=0.0", "xgzip", "identity"] {
                let reply = try await dashboard.ask("HEAD", "/", headers: ["Accept-Encoding: \(coding)"])
                #expect(reply.headers["content-encoding"] == nil, "\(coding)")
            }
        }
    }

    @Test(arguments: [
        "/assets/", "/assets/none.js", "/assets/../index.html", "/assets/..%2findex.html", "/assets/%2e%2e/index.html",
        "/assets//etc/passwd", "/assets/./index.html", "/assets/index.html/", "/assets/INDEX.HTML",
        "/assets/..\\index.html", "/index.html", "/../etc/passwd", "/assets/index.html%00.js",
    ])
    func `a path leads to a file of the page or to nothing`(path: String) async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let reply = try await dashboard.ask("GET", path)
            // A slash at the end names the same file.
            if path == "/assets/index.html/" {
                #expect(reply.status == 200)
            } else {
                #expect([400, 401, 404].contains(reply.status), "\(path) \(reply.text)")
            }
        }
    }
}
