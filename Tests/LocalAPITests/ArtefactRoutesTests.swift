import Foundation
import HTTPServing
import HTTPTypes
import Testing

@testable import LocalAPI

@Suite struct ArtefactRoutesTests {
    private func range(_ text: String?, ifRange: String? = nil, size: Int = 100) -> ByteRange {
        var headers: HTTPFields = [:]
        headers[.range] = text
        headers[.ifRange] = ifRange
        return ByteRange(headers, tag: "\"a\"", size: size)
    }

    @Test func `a range names a part of the file, and what is none gets the whole`() {
        #expect(range("bytes=0-9") == .part(0...9, isRest: false))
        #expect(range("bytes=10-") == .part(10...99, isRest: false))
        #expect(range("bytes=10-1000") == .part(10...99, isRest: false))
        #expect(range("bytes=-10") == .part(90...99, isRest: false))
        #expect(range("bytes=-1000") == .part(0...99, isRest: true))
        #expect(range("bytes=99-99") == .part(99...99, isRest: false))
        for whole in [nil, "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-1,3-4", "items=0-1", "bytes=+1-2"] {
            #expect(range(whole) == .whole, "\(whole ?? "none")")
        }
    }

    @Test func `a client that asks for the rest of a file has the whole afterwards`() {
        #expect(range("bytes=0-") == .part(0...99, isRest: true))
        #expect(range("bytes=0-99") == .part(0...99, isRest: true))
        #expect(range("bytes=5-98", ifRange: "\"a\"") == .part(5...98, isRest: false))
        // A player that looks at the end names no file.
        #expect(range("bytes=90-") == .part(90...99, isRest: false))
    }

    @Test func `a range behind the end is not satisfiable`() {
        #expect(range("bytes=100-") == .unsatisfiable)
        #expect(range("bytes=100-200") == .unsatisfiable)
        #expect(range("bytes=-0") == .unsatisfiable)
    }

    @Test func `a range of another file gets the whole`() {
        #expect(range("bytes=5-", ifRange: "\"a\"") == .part(5...99, isRest: true))
        #expect(range("bytes=5-", ifRange: "\"b\"") == .whole)
    }

    @Test func `an unknown digest has no file`() async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.get, "/v1/artefacts/\(String(repeating: "a", count: 64))")
            #expect(answer.status == 404 && answer.problemCode == "artefact_not_found")
        }
    }
}
