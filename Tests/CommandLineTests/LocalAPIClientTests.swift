import Foundation
import LocalAPIClient
import Testing

@Suite struct LocalAPIClientTests {
    @Test func `a query says only what narrows it`() {
        #expect(TaskQuery().text == "")
        let query = TaskQuery(
            states: ["running", "queued"], endpoints: ["suno/audios"], labels: ["b": "x y", "a": "1:2"],
            createdAfter: "2026-11-23T14:00:00+02:00", limit: 5, cursor: "c=")
        #expect(
            query.text
                == "?state=running%2Cqueued&endpoint=suno%2Faudios&label=a%3A1%3A2&label=b%3Ax%20y"
                + "&created_after=2026-11-23T14%3A00%3A00%2B02%3A00&limit=5&cursor=c%3D")
    }

    @Test func `nobody on the socket is told at once, and never as an interruption`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "none-\(UUID().uuidString)").path
        let error = await #expect(throws: LocalAPIClientError.self) {
            try await LocalAPIClient.with(socketPath: path) { _ = try await $0.status() }
        }
        #expect(error == .noDaemon(socketPath: path, reason: "there is no such socket"))
    }

    @Test func `a path that no socket can have is no daemon either`() async throws {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        let error = await #expect(throws: LocalAPIClientError.self) {
            try await LocalAPIClient.with(socketPath: path) { _ = try await $0.status() }
        }
        guard case .noDaemon? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a wait gives up on a daemon that stays away longer than its patience`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "none-\(UUID().uuidString)").path
        let error = await #expect(throws: LocalAPIClientError.self) {
            try await LocalAPIClient.with(socketPath: path, patience: .zero) { _ = try await $0.waitForEnd(of: "x") }
        }
        #expect(error?.isDaemonAway == true)
    }
}
