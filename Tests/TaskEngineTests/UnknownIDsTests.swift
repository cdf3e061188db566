import ProviderCatalog
import TaskModel
import TaskTesting
import Testing

@testable import TaskEngine

@Suite(.timeLimit(.minutes(1))) struct UnknownIDsTests {
    @Test func `those who wait for one question share its failure`() async throws {
        let ids = UnknownIDs()
        let key = UnknownIDs.Key(id: try #require(RemoteTaskID("r-7")), provider: "testing")
        #expect(await ids.begin(key) == .asks)
        async let second = ids.begin(key)
        async let third = ids.begin(key)
        while ids.waiting < 2 { await Task.yield() }
        ids.end(key, with: .fails(.interrupted("it was silent")))
        let failure = UnknownIDs.Turn.fails(.interrupted("it was silent"))
        #expect(await second == failure)
        #expect(await third == failure)
        // A later one asks again.
        #expect(await ids.begin(key) == .asks)
    }
}
